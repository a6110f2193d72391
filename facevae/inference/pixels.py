"""Pixels as networks take and give them."""

import numpy as np


def unit_floats(images: np.ndarray) -> np.ndarray:
    """uint8 or uint16 (N, H, W, 3) -> float32 (N, 3, H, W) in [0, 1]."""
    most = np.float32(np.iinfo(images.dtype).max)
    floats = np.array(images.transpose(0, 3, 1, 2), np.float32, order="C")
    return np.divide(floats, most, out=floats)


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Floats (N, 3, H, W) in [0, 1] -> uint8 (N, H, W, 3), rounded."""
    return as_levels(images, np.dtype(np.uint8))


def as_levels(images: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Floats (N, 3, H, W) in [0, 1] -> uint8 or uint16 (N, H, W, 3), rounded."""
    most = np.iinfo(dtype).max
    levels = images * most  # the one copy: a large photograph's tiles wait for memory more than for arithmetic
    np.rint(levels, out=levels)
    np.clip(levels, 0, most, out=levels)
    return np.ascontiguousarray(levels.transpose(0, 2, 3, 1), dtype)
