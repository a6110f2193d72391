"""Batches of rows: all of them, once, from memory and from files, without holding a file in memory."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from raw_data import one_line

from facevae.training.loop.batches import DeviceRows, HostRows, fits, in_order, place, shuffled

CPU = torch.device("cpu")


def saved(folder, array):
    """The array as a memory map of a file."""
    np.save(folder / "rows.npy", array)
    return np.load(folder / "rows.npy", mmap_mode="r")


@pytest.fixture(params=["memory", "file", "device"])
def source(request, tmp_path):
    """A function that makes rows of arrays, in the ways that rows can be kept."""

    def make(*arrays):
        if request.param == "device":
            return DeviceRows(arrays, CPU)
        first = saved(tmp_path, arrays[0]) if request.param == "file" else arrays[0]
        return HostRows((first, *arrays[1:]), CPU)

    return make


def test_each_row_once_in_an_order_of_the_epochs_own():
    batches = shuffled(11, 4, seed=0, epoch=0)
    assert [len(batch) for batch in batches] == [4, 4, 3]
    assert sorted(np.concatenate(batches)) == list(range(11))
    assert all((np.diff(batch) > 0).all() for batch in batches)
    orders = {tuple(np.concatenate(shuffled(11, 4, *key))) for key in ((0, 0), (0, 1), (1, 0), (0, 0))}
    assert len(orders) == 3


def test_in_order():
    assert [batch.tolist() for batch in in_order(5, 2)] == [[0, 1], [2, 3], [4]]
    assert in_order(0, 2) == []


def test_the_rows_of_each_index(source):
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 3, 3), np.uint8)
    labels = np.arange(18, dtype=np.int8).reshape(9, 2)
    indices = [np.array([0, 3, 8]), np.array([5]), np.array([1, 2])]
    batches = list(source(images, labels).batches(indices))
    assert len(batches) == 3
    for index, (found, its_labels) in zip(indices, batches, strict=True):
        assert found.dtype == torch.uint8 and np.array_equal(found.numpy(), images[index])
        assert its_labels.dtype == torch.int8 and np.array_equal(its_labels.numpy(), labels[index])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_parts_of_a_file(tmp_path, dtype):
    """A split is a slice of the memory map: its first row is not the file's."""
    whole = saved(tmp_path, np.arange(60, dtype=dtype).reshape(12, 5))
    part = whole[4:][1:6]
    (found,) = next(HostRows((part,), CPU).batches([np.array([0, 2, 4])]))
    assert np.array_equal(found.numpy(), np.arange(60).reshape(12, 5)[[5, 7, 9]])


def test_single_numbers_as_rows(source):
    ((found,),) = source(np.arange(5.0)).batches([np.array([1, 4])])
    assert found.tolist() == [1, 4]


def test_rows_that_are_strided_in_memory(tmp_path):
    every_other = saved(tmp_path, np.arange(40, dtype=np.uint8).reshape(10, 4))[::2]
    ((found,),) = HostRows((every_other,), CPU).batches([np.array([1, 3])])
    assert found[:, 0].tolist() == [8, 24]


def test_a_file_that_was_cut_short_meanwhile(tmp_path):
    rows = HostRows((saved(tmp_path, np.zeros((10, 1000), np.uint8)),), CPU)
    with open(tmp_path / "rows.npy", "r+b") as file:
        file.truncate(5000)
    with one_line("rows.npy", "1000 bytes of row 7", "stages.cache_arrays"):
        list(rows.batches([np.array([1, 7])]))


def running_threads():
    return {thread.name.split("_")[0] for thread in threading.enumerate()}


def test_a_consumer_that_stops_early_leaves_no_thread(tmp_path):
    batches = HostRows((saved(tmp_path, np.zeros((10, 3), np.uint8)),), CPU).batches(in_order(10, 1))
    next(batches)
    assert "batches" in running_threads()
    batches.close()
    assert "batches" not in running_threads()
    code = (
        "import numpy as np, torch; from facevae.training.loop.batches import HostRows, in_order\n"
        "batches = HostRows((np.zeros((10, 3)),), torch.device('cpu')).batches(in_order(10, 1)); next(batches)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_fits_into_a_gpus_memory():
    rows = (np.zeros((6, 10), np.uint8),)
    assert fits(rows, free=100) and not fits(rows, free=99)


def test_on_a_processor_rows_stay_in_their_files():
    assert isinstance(place((np.zeros((2, 2)),), CPU), HostRows)


MEASURE = """
import resource, sys
import numpy as np, torch
from torch import nn
from facevae.training.loop.log import RunLog
from facevae.training.loop.optimizer import TrainingSettings
from facevae.training.loop.run import Run
from facevae.training.loop.fit import fit

images = np.load(sys.argv[1], mmap_mode="r")
settings = TrainingSettings.model_validate(eval(sys.argv[2]) | {"batch_size": 256, "epochs": 1})
model = nn.Linear(1, 1)

def terms_of(model, batch, step):
    return {"loss": model(batch[0][:, 0, 0, :1].float()).flatten()}

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

few = (images[:1000],)
fit(model, terms_of, few, few, settings, Run(torch.device("cpu")), RunLog(None), section="vae")
before = peak()
fit(model, terms_of, (images,), few, settings, Run(torch.device("cpu")), RunLog(None), section="vae")
print(peak() - before)
"""


def test_training_from_gigabytes_takes_no_more_memory_than_from_megabytes(tmp_path):
    """The file is sparse: its zeros take no place on the disk."""
    from model_data import TRAINING

    path, shape = tmp_path / "images.npy", (40_800, 128, 128, 3)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + int(np.prod(shape)))
    assert path.stat().st_size > 2e9
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), repr(TRAINING)], capture_output=True, encoding="utf-8", check=True
    )
    assert int(done.stdout.splitlines()[-1]) < 100e6
