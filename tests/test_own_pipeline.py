"""The whole pipeline, as its parameters are committed but small, on data as people have them: `make test-slow`.

The same stages in one process are in test_unlabelled.py.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from project_copy import commit, copy_project, dvc, git, shrink, stages_run

from facevae.celeba.attributes import ATTRIBUTES
from facevae.celeba.tables import ATTRIBUTES_FILE, IDENTITY_FILE, read_attributes, write_attributes, write_numbers
from facevae.sources.synthetic import SyntheticSettings, draw_faces

SLOW = bool(os.environ.get("FACEVAE_TEST_SLOW"))
NAMED_BY_THE_DATA = {
    "attribute_vectors": {"context": None},
    "explore_latents": {"attribute": None},
    "evaluate_vae": {"attributes": None},
    "train_identity": {"epochs": 1, "threads": 1, "least_persons": 5},
}


def own_project(folder: Path, names: tuple[str, ...], images: int) -> Path:
    """A copy of the project whose raw data are there: drawn faces, those who smile `Happy`, three of each person."""
    copy_project(folder)
    shrink(folder, NAMED_BY_THE_DATA)
    raw = folder / "data/raw"
    raw.mkdir(parents=True)
    draw_faces(SyntheticSettings(images=images, seed=0, pairs=0), raw, 1)
    drawn = read_attributes(raw / ATTRIBUTES_FILE)
    values = drawn.values[:, [ATTRIBUTES.index("Smiling")] * len(names)]
    write_attributes(raw / ATTRIBUTES_FILE, drawn.images, names, values)
    write_numbers(raw / IDENTITY_FILE, drawn.images, np.arange(images) // 3 + 1)
    stages = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))
    for stage in ("fingerprint", "download"):
        del stages["stages"][stage]
    (folder / "dvc.yaml").write_text(yaml.safe_dump(stages, sort_keys=False), encoding="utf-8")
    (folder / "dvc.lock").unlink(missing_ok=True)
    commit(folder, "one's own")
    return folder


@pytest.mark.skipif(not SLOW, reason="minutes: set FACEVAE_TEST_SLOW=1")
@pytest.mark.parametrize(("names", "images"), [((), 60), (("Happy",), 60), ((), 40)])
def test_the_whole_pipeline(tmp_path, names, images):
    project = own_project(tmp_path, names, images)
    said = dvc(project, "repro")
    stages = yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))
    assert stages_run(said) == set(stages["stages"])
    assert ("the images have no attributes: no judge" in said) == (not names)
    assert "up to date" in dvc(project, "status")
    shown = json.loads(dvc(project, "metrics", "show", "--json"))[""]["data"]
    measured = shown["results/evaluate_vae/metrics.json"]["data"]
    assert "psnr_db" in measured["vae"] and ("probe" in measured) == bool(names)
    pictures = {path.name for path in (project / "results").rglob("*.png")}
    assert {"denoised.png", "faces.png", "tsne.png", "interpolations.png", "cosines.png"} <= pictures
    assert ("Happy.png" in pictures) == bool(names)
    dvc(project, "plots", "show", "--out", "dvc_plots")
    page = (project / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert "VAE: reconstruction" in page and "tsne.png" in page
    assert not git(project, "status", "--porcelain", "dvc_plots")
    dvc(project, "metrics", "diff")
