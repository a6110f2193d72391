"""Pixels as networks take and give them."""

import numpy as np


def unit_floats(images: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W) in [0, 1]."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32) / np.float32(255)


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Floats (N, 3, H, W) in [0, 1] -> uint8 (N, H, W, 3), rounded."""
    return np.ascontiguousarray((images * 255).round().clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1))
