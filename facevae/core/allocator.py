"""What the C library does with memory that is freed."""

import ctypes


def keep_freed_memory(most: int = 2**31 - 1) -> None:
    """Tell glibc not to hand large freed blocks back to the system, which zeroes each page when it is taken again.

    Up to `most` bytes that nobody uses are kept. What is freed in one step, activations or a decoded image, is taken
    again in the next: the report's networks, and decoding, lose a good part of their time to that. Elsewhere than glibc
    nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, mmap_max = -1, -4
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, most)
