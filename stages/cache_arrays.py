"""Stage cache_arrays: packed images become memory-mapped arrays with splits, for `dae` or for `vae`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from facevae.core.command import run
from facevae.core.options import Params, Workers


def main(
    model: Annotated[Literal["dae", "vae"], typer.Argument(help="The model for which the arrays are made.")],
    workers: Workers,
    params: Params = Path("params.yaml"),
    data: Annotated[Path, typer.Option(help="The folder with the stages' data.")] = Path("data"),
) -> None:
    """Decode the images into uint8 arrays (N, height, width, 3), split after split, with a manifest.

    Inputs: data/dae/images.zip and noisy.zip with data/raw/identity_CelebA.txt; or data/vae/images.zip with
    data/raw/list_attr_celeba.txt and list_eval_partition.txt.

    Outputs: data/dae/arrays (clean.npy, noisy.npy, rows.csv, manifest.json), the first images train and the
    others test, nobody in both; or data/vae/arrays (images.npy, rows.csv, manifest.json), split by CelebA's partitions.

    Parameters: cache_arrays.dae (images: the first so many, train_share, same_images) or cache_arrays.vae (images: so
    many, evenly spread).
    """
    from facevae.celeba.splits import DaeCache, VaeCache
    from facevae.core.params import load_section
    from facevae.preparation.cache_arrays import cache_dae, cache_vae

    folder = data / model / "arrays"
    if model == "dae":
        settings = load_section(params, "cache_arrays.dae", DaeCache)
        clean, noisy, identities = data / "dae/images.zip", data / "dae/noisy.zip", data / "raw/identity_CelebA.txt"
        manifest = cache_dae(clean, noisy, identities, folder, settings, workers)
    else:
        settings = load_section(params, "cache_arrays.vae", VaeCache)
        annotation, partitions = data / "raw/list_attr_celeba.txt", data / "raw/list_eval_partition.txt"
        manifest = cache_vae(data / "vae/images.zip", annotation, partitions, folder, settings, workers)
    splits = ", ".join(f"{count} {split}" for split, count in manifest["splits"].items())
    print(f"{folder}: {splits} images of {manifest['shape'][2]}x{manifest['shape'][1]}")


if __name__ == "__main__":
    run(main)
