"""Batches of rows out of arrays: from device memory where they fit, else from the files, ahead of the step."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset

from facevae.core.errors import FacevaeError

# Rows of a split: arrays of the same length, for example images uint8 (N, H, W, 3) and labels (N, A). Of a Subset, an
# array and the numbers of some of its rows, those are read when asked for: an index into a memory map copies them all.
Rows = tuple[np.ndarray | Subset, ...]

Batch = tuple[Tensor, ...]

_AHEAD = 2

# Of a GPU's free memory, what arrays may take: the rest is for weights, activations and the allocator's gaps.
_SHARE_OF_FREE_MEMORY = 0.6

_CHUNK_BYTES = 64 << 20


def shuffled(count: int, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Each row number once, in an order of the epoch's own, as sorted batches; the last one may be smaller."""
    order = np.random.default_rng((seed, epoch)).permutation(count)
    # Sorted, a batch reads a file forwards.
    return [np.sort(order[start : start + batch_size]) for start in range(0, count, batch_size)]


def in_order(count: int, batch_size: int) -> list[np.ndarray]:
    """All row numbers as batches, ascending; the last one may be smaller."""
    return [np.arange(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]


class HostRows:
    """Rows that stay where they are; batches are read by a thread, two ahead of the one in use."""

    def __init__(self, rows: Rows, device: torch.device) -> None:
        self.count = len(rows[0])
        self.readers, self.device = [_Reader(array) for array in rows], device

    def batches(self, indices: Iterable[np.ndarray]) -> Iterator[Batch]:
        """The rows of each index, ascending row numbers, as tensors on the device."""
        pending: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(1, "batches", initializer=self._prepare_thread) as thread:
            try:
                for index in indices:
                    pending.append(thread.submit(self._read, index))
                    if len(pending) > _AHEAD:
                        yield self._on_device(pending.popleft().result())
                while pending:
                    yield self._on_device(pending.popleft().result())
            finally:
                thread.shutdown(wait=True, cancel_futures=True)

    def _prepare_thread(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)  # else its pinned memory would belong to the first GPU

    def _read(self, index: np.ndarray) -> Batch:
        # Pinned, a batch is copied to the GPU while it computes. PyTorch keeps the memory until the copy has ended.
        return tuple(reader.read(index, pin=self.device.type == "cuda") for reader in self.readers)

    def _on_device(self, batch: Batch) -> Batch:
        return tuple(tensor.to(self.device, non_blocking=True) for tensor in batch)


class DeviceRows:
    """Rows in the device's own memory: a batch is an index into them."""

    def __init__(self, rows: Rows, device: torch.device) -> None:
        self.count, self.device = len(rows[0]), device
        self.arrays = [_copied(array, device) for array in rows]

    def batches(self, indices: Iterable[np.ndarray]) -> Iterator[Batch]:
        """The rows of each index as tensors on the device."""
        for index in indices:
            numbers = torch.from_numpy(index)
            if self.device.type == "cuda":
                numbers = numbers.pin_memory()
            numbers = numbers.to(self.device, non_blocking=True)
            yield tuple(array.index_select(0, numbers) for array in self.arrays)


def place(rows: Rows, device: torch.device) -> HostRows | DeviceRows:
    """Copy rows into a GPU's memory if they fit; else leave them where they are."""
    if device.type == "cuda" and fits(rows, torch.cuda.mem_get_info(device)[0]):
        return DeviceRows(rows, device)
    return HostRows(rows, device)


def fits(rows: Rows, free: int) -> bool:
    """Whether the rows take no more than their share of `free` bytes."""
    readers = [_Reader(array) for array in rows]
    return sum(reader.count * reader.row_bytes for reader in readers) <= _SHARE_OF_FREE_MEMORY * free


class _Reader:
    """Rows of one array. Those of a memory map are read from the file beneath it: pages of the map that were touched
    count as this process's memory, all of them after an epoch, and a page fault reads more of the disk than one row.
    """

    def __init__(self, rows: np.ndarray | Subset) -> None:
        self.count, self.numbers = len(rows), rows.indices if isinstance(rows, Subset) else None
        self.array = array = rows.dataset if isinstance(rows, Subset) else rows
        self.row_bytes = array[0].nbytes if len(array) else 0
        root = array
        while isinstance(root.base, np.memmap):
            root = root.base
        self.descriptor = None
        if isinstance(root, np.memmap) and root.filename is not None and array.flags.c_contiguous:
            self.path = root.filename
            self.offset = root.offset + array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
            self.descriptor = os.open(self.path, os.O_RDONLY)

    def __del__(self) -> None:
        if getattr(self, "descriptor", None) is not None:
            os.close(self.descriptor)

    def read(self, index: np.ndarray, pin: bool = False) -> Tensor:
        index = index if self.numbers is None else self.numbers[index]
        shape = (len(index), *self.array.shape[1:])
        rows = torch.empty(shape, dtype=torch.from_numpy(np.empty(0, self.array.dtype)).dtype, pin_memory=pin)
        out = rows.numpy()
        if self.descriptor is None:
            np.take(self.array, index, axis=0, out=out, mode="clip")
            return rows
        for number, row in zip(index.tolist(), out.view(np.uint8).reshape(len(index), -1), strict=True):
            found = os.preadv(self.descriptor, [row.data], self.offset + number * self.row_bytes)
            if found != self.row_bytes:
                raise FacevaeError(
                    where=self.path, expected=f"{self.row_bytes} bytes of row {number}", found=str(found),
                    fix="run stages.cache_arrays again",
                )  # fmt: skip
        return rows


def _copied(rows: np.ndarray | Subset, device: torch.device) -> Tensor:
    """The rows in the device's memory, chunk by chunk, so that the CPU's memory holds one chunk at a time."""
    reader = _Reader(rows)
    kind = torch.from_numpy(np.empty(0, reader.array.dtype)).dtype
    whole = torch.empty((reader.count, *reader.array.shape[1:]), dtype=kind, device=device)
    step = max(1, _CHUNK_BYTES // max(1, reader.row_bytes))
    for start in range(0, reader.count, step):
        numbers = np.arange(start, min(start + step, reader.count))
        whole[start : start + step] = reader.read(numbers).to(device)
    return whole
