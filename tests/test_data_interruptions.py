"""The data stages killed with SIGKILL in the middle: `dvc repro` ends in the same bits as if nothing had been."""

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from project_copy import copy_project, dvc, keep_stages, killed_at, run_stage, shrink, stages_run
from raw_data import encoded, files_below, photo, write_entries

from facevae.celeba.attributes import ATTRIBUTES
from facevae.celeba.tables import ATTRIBUTES_FILE, IMAGES, PARTITION_FILE, write_attributes, write_numbers
from stages import add_noise, cache_arrays, crop_pad, download, fingerprint

STAGES = ("download", "crop_pad_dae", "crop_pad_vae", "add_noise", "cache_arrays_dae", "cache_arrays_vae")
COUNT = 60  # four chunks of images
# The last output of each stage, and when it is killed: before that is there, with a part of its files written.
MOMENTS = {
    "download": (
        "data/raw/img_align_celeba.zip",
        [("open", ".pairs.zip.tmp"), ("os.rename", "identity_CelebA.txt", 2)],
    ),
    "crop_pad_dae": ("data/dae/images.zip", [("open", ".images.zip.tmp", 4), ("os.rename", "images.zip", 1, True)]),
    "crop_pad_vae": ("data/vae/images.zip", [("open", ".images.zip.tmp", 4), ("os.rename", "images.zip", 1, True)]),
    "add_noise": ("data/dae/noisy.zip", [("open", ".noisy.zip.tmp", 4), ("os.rename", "noisy.zip", 1, True)]),
    "cache_arrays_dae": ("data/dae/arrays", [("open", "noisy.npy", 3), ("os.rename", "arrays")]),
    "cache_arrays_vae": ("data/vae/arrays", [("open", "images.npy", 3), ("os.rename", "manifest.json", 1, True)]),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The data stages on images of CelebA's form."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    names = [f"{number:06d}.jpg" for number in range(COUNT)]
    photos = [encoded(photo(number)) for number in range(10)]
    write_entries(folder / "celeba" / IMAGES, {name: photos[row % 10] for row, name in enumerate(names)})
    write_attributes(folder / "celeba" / ATTRIBUTES_FILE, names, ATTRIBUTES, np.ones((COUNT, 40), int))
    write_numbers(folder / "celeba" / PARTITION_FILE, names, [row % 3 for row in range(COUNT)])
    download = {"source": "celeba", "celeba": {"path": "celeba"}}
    whole = {"images": None}
    shrink(folder, {"download": download, "crop_pad": {"dae": whole}, "cache_arrays": {"dae": whole}})
    keep_stages(folder, STAGES)
    return folder


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


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_killed_in_the_middle(project):
    whole = run_undisturbed(project)
    for stage, (output, moments) in MOMENTS.items():
        remove(project / output)
        for moment in moments:
            code, printed = run_stage(project, stage, **killed_at(stage, *moment))
            assert code == -signal.SIGKILL and not (project / output).exists(), printed
            assert files_below(project / "data") != whole
        # What lies about is in nobody's way.
        code, printed = run_stage(project, stage)
        assert code == 0, printed
        assert files_below(project / "data") == whole, "the same bits, and nothing half-written is left"

    for folder in ("data/dae", "data/vae"):
        shutil.rmtree(project / folder)
    for stage in ("download", "crop_pad_vae"):
        moment = MOMENTS[stage][1][0]
        assert run_stage(project, stage, **killed_at(stage, *moment))[0] == -signal.SIGKILL
    assert stages_run(dvc(project, "repro", FACEVAE_WORKERS="2")) == set(STAGES)
    assert files_below(project / "data") == whole
