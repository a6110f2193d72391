"""Pixels as networks take and give them."""

import numpy as np


def unit_floats(images: np.ndarray) -> np.ndarray:
    """uint8 or uint16 (N, H, W, 3) -> float32 (N, 3, H, W) in [0, 1]."""
    most = np.float32(np.iinfo(images.dtype).max)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32) / most


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Floats (N, 3, H, W) in [0, 1] -> uint8 (N, H, W, 3), rounded."""
    return as_levels(images, np.dtype(np.uint8))


def as_levels(images: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Floats (N, 3, H, W) in [0, 1] -> uint8 or uint16 (N, H, W, 3), rounded."""
    most = np.iinfo(dtype).max
    return np.ascontiguousarray((images * most).round().clip(0, most).astype(dtype).transpose(0, 2, 3, 1))
