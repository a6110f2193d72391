"""A set of models as it comes with facevae, made from a project's: few bytes, and nothing but what editing needs.

    python -m bench.make_set --project DIR [--out facevae/pretrained/celeba]

The networks as `python -m stages.export --small` writes them; of the attribute vectors the method that edits use, and
the mixture, both in half precision. card.json stays; `python -m bench.shipped --write` measures its figures.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bench.rooms import ROOT
from facevae.core.command import run
from facevae.data.arrays import open_vae
from facevae.inference.export import export_models
from facevae.latents.mixture import Mixture, load_mixture, save_mixture
from facevae.latents.vectors import AttributeVectors, load_vectors, save_vectors

# As many as the stage export looks at, for what the encoder's facts say of unusual faces.
_FACES = 500


def main(
    project: Annotated[Path, typer.Option(help="A project whose models are trained, with data/vae/arrays.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the set.")] = ROOT
    / "facevae/pretrained/celeba",
) -> None:
    """Write the set."""
    models = project / "models"
    # Everything is read before anything is written: a set of two projects would be none.
    faces = open_vae(project / "data/vae/arrays").images["valid"][:_FACES]
    vectors = used(load_vectors(models / "attribute_vectors.safetensors"))
    mixture = halved(load_mixture(models / "mixture.safetensors"))
    out.mkdir(parents=True, exist_ok=True)
    export_models(models, out, faces, small=True)
    save_vectors(out / "attribute_vectors.safetensors", vectors)
    save_mixture(out / "mixture.safetensors", mixture)
    size = sum(path.stat().st_size for path in out.iterdir())
    print(f"{out}: {size / 1e6:.2f} MB")


def used(vectors: AttributeVectors) -> AttributeVectors:
    """The vectors of the method that edits use, and the attributes' maps, in half precision."""
    maps = None if vectors.maps is None else vectors.maps.astype(np.float16)
    kept = {vectors.method: vectors.vectors[vectors.method].astype(np.float16)}
    return replace(vectors, vectors=kept, kinds={}, maps=maps)


def halved(mixture: Mixture) -> Mixture:
    """The mixture in half precision."""
    return Mixture(**{name: values.astype(np.float16) for name, values in vars(mixture).items()})


if __name__ == "__main__":
    run(main)
