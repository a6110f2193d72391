"""Stage export: the trained networks as ONNX files, which need no PyTorch."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run


def main(
    models: Annotated[Path, typer.Option(help="The folder with the trained models.")] = Path("models"),
    vae_arrays: Annotated[Path, typer.Option(help="The VAE's cached arrays.")] = Path("data/vae/arrays"),
    dae_arrays: Annotated[Path, typer.Option(help="The denoiser's cached arrays.")] = Path("data/dae/arrays"),
    output: Annotated[Path, typer.Option(help="The folder for the ONNX files.")] = Path("models"),
    results: Annotated[Path, typer.Option(help="The folder for the comparison.")] = Path("results/export"),
    small: Annotated[bool, typer.Option("--small", help="Store weights in 16 and 8 bits: half the size.")] = False,
    images: Annotated[int, typer.Option(min=1, help="Test images to compare on.")] = 500,
) -> None:
    """Write the networks as ONNX files, which carry all that is needed to use them, and compare them with PyTorch.

    Inputs: models/vae.safetensors, dae.safetensors, aligner.safetensors, judge.safetensors, data/vae/arrays,
    data/dae/arrays.

    Outputs: models/encoder.onnx, decoder.onnx, denoiser.onnx, aligner.onnx, judge.onnx; in results/export:
    metrics.json (export.grey_levels: the largest difference of a reconstruction or a denoised image from PyTorch's),
    differences.csv (a row for each network).

    Parameters: none.
    """
    from facevae.core.files import write_json
    from facevae.core.tables import write_table
    from facevae.data.arrays import open_dae, open_vae
    from facevae.inference.export import COLUMNS, compare_with_torch, export_models
    from facevae.nn.device import measure_on

    faces, photographs = open_vae(vae_arrays).images, open_dae(dae_arrays).noisy["test"]
    measure_on("cpu", threads=1)
    output.mkdir(parents=True, exist_ok=True)
    export_models(models, output, faces["valid"][:images], small=small)
    found = compare_with_torch(models, output, faces["test"][:images], photographs[: max(1, images // 10)])
    write_table(results / "differences.csv", [vars(row) for row in found], COLUMNS)
    largest = max(row.largest for row in found if row.unit == "grey levels")
    write_json(results / "metrics.json", {"export": {"grey_levels": largest}})
    print(
        f"{output}: {', '.join(f'{row.network}.onnx' for row in found)}; at most {largest:.2g} grey levels from PyTorch"
    )


if __name__ == "__main__":
    run(main)
