"""The data stages killed with SIGKILL in the middle: `dvc repro` ends in the same bits as if nothing had been."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from project_copy import ENVIRONMENT, copy_project, dvc, keep_stages, shrink, stages_run
from raw_data import encoded, files_below, photo, write_entries

from facevae.celeba.attributes import ATTRIBUTES
from facevae.celeba.tables import ATTRIBUTES_FILE, IMAGES, PARTITION_FILE, write_attributes, write_numbers
from stages import add_noise, cache_arrays, crop_pad, download, fingerprint

STAGES = ("download", "crop_pad_dae", "crop_pad_vae", "add_noise", "cache_arrays_dae", "cache_arrays_vae")
COUNT = 1000
# Of each stage: what appears while it writes, and its last output.
WRITES = {
    "download": ("data/raw/.download.tmp", "data/raw/img_align_celeba.zip"),
    "crop_pad dae": ("data/dae/.images.zip.tmp", "data/dae/images.zip"),
    "crop_pad vae": ("data/vae/.images.zip.tmp", "data/vae/images.zip"),
    "add_noise": ("data/dae/.noisy.zip.tmp", "data/dae/noisy.zip"),
    "cache_arrays dae": ("data/dae/.arrays.tmp", "data/dae/arrays/clean.npy"),
    "cache_arrays vae": ("data/vae/.arrays.tmp", "data/vae/arrays/images.npy"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The data stages on 1,000 images of CelebA's form."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    names = [f"{number:06d}.jpg" for number in range(COUNT)]
    photos = [encoded(photo(number)) for number in range(10)]
    write_entries(folder / "celeba" / IMAGES, {name: photos[row % 10] for row, name in enumerate(names)})
    write_attributes(folder / "celeba" / ATTRIBUTES_FILE, names, ATTRIBUTES, np.ones((COUNT, 40), int))
    write_numbers(folder / "celeba" / PARTITION_FILE, names, [row % 3 for row in range(COUNT)])
    download = {"source": "celeba", "celeba": {"path": "celeba"}}
    whole = {"images": None}
    shrink(folder, {"download": download, "crop_pad": {"dae": {"images": 400}}, "cache_arrays": {"dae": whole}})
    keep_stages(folder, STAGES)
    return folder


def kill_while_it_writes(folder: Path, stage: str, delay: float) -> bool:
    """Start the stage, kill it `delay` seconds after it has begun to write; whether it was still at it."""
    environment = {**ENVIRONMENT, "FACEVAE_WORKERS": "2"}
    process = subprocess.Popen(
        [sys.executable, "-m", *f"stages.{stage}".split()],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
    )  # fmt: skip
    while process.poll() is None and not (folder / WRITES[stage][0]).exists():
        time.sleep(0.005)
    time.sleep(delay)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    assert running or process.returncode == 0, output
    return running


def run_undisturbed(folder: Path) -> dict[str, bytes]:
    """Run the data stages one after the other, in this process; what they leave below data/."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fingerprint.main()
        download.main(workers=1)
        for model in ("dae", "vae"):
            crop_pad.main(model=model, workers=1)
        add_noise.main(workers=1)
        for model in ("dae", "vae"):
            cache_arrays.main(model=model, workers=1)
    return files_below(folder / "data")


def test_killed_in_the_middle(project):
    whole = run_undisturbed(project)
    rng, killed = random.Random(0), 0
    for stage, (_, output) in WRITES.items():
        (project / output).unlink()
        killed += kill_while_it_writes(project, stage, rng.uniform(0.0, 0.2))
        # None, or a whole one; the next stage needs a whole one.
        found = (project / output).read_bytes() if (project / output).exists() else None
        assert found in (None, whole[output.removeprefix("data/")])
        (project / output).write_bytes(whole[output.removeprefix("data/")])
    assert killed >= 4, "too fast to be killed: take more images"

    for folder in ("data/dae", "data/vae"):
        shutil.rmtree(project / folder)
    for stage in ("download", "crop_pad vae"):
        kill_while_it_writes(project, stage, 0.1)
    assert stages_run(dvc(project, "repro", FACEVAE_WORKERS="2")) == set(STAGES)
    assert files_below(project / "data") == whole, "the same bits, and nothing half-written is left"
