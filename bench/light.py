"""The light install, as somebody gets it who wants photographs edited and no pipeline.

    python -m bench.light

`pip install .` in a new environment, with the versions of constraints.txt; then `facevae edit` of a public-domain
photograph there, by the models that come with facevae, and the environment's size.
"""

import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
from PIL import Image

from facevae.core.command import run
from facevae.core.files import scratch_folder

ROOT = Path(__file__).parents[1]

LARGEST = 250
"""Megabytes that it may take on the disk."""


def main() -> None:
    """Make the environment, edit a photograph in it, and print how large it is and what came out."""
    from skimage.data import astronaut

    with scratch_folder(Path(".checkpoints/light")) as folder:
        home = folder.resolve() / "venv"
        venv.create(home, with_pip=True)
        python = home / "bin" / "python"
        _call(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c",
              ROOT / "constraints.txt", ROOT, where=folder)  # fmt: skip
        _call(python, "-m", "pip", "uninstall", "--quiet", "--yes", "pip", "setuptools", where=folder)
        size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and not path.is_symlink())
        Image.fromarray(astronaut()).save(folder / "astronaut.png")
        _call(home / "bin" / "facevae", "edit", "astronaut.png", "-a", "Smiling", where=folder)
        before, after = (np.asarray(Image.open(folder / f"astronaut{end}.png"), int) for end in ("", "_edited"))
        changed = (before != after).any(2).mean()
    print(f"{size / 1e6:.0f} MB installed (at most {LARGEST}); {changed:.1%} of the photograph's pixels changed")
    if size > LARGEST * 1e6 or not 0.001 < changed < 0.2 or before.shape != after.shape:
        sys.exit(1)


def _call(*words: str | Path, where: Path) -> None:
    # Without this project's own environment, and without its models/.
    if subprocess.run([str(word) for word in words], cwd=where, env={"PATH": "/usr/bin:/bin"}).returncode:
        sys.exit(1)


if __name__ == "__main__":
    run(main)
