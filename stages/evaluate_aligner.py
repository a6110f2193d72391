"""Stage evaluate_aligner: how well faces are found and framed in pictures of which their places are known."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import Device, Params, Workers


def main(
    workers: Workers,
    params: Params = Path("params.yaml"),
    device: Device = "auto",
    archive: Annotated[Path, typer.Option(help="The aligned images.")] = Path("data/raw/img_align_celeba.zip"),
    partitions: Annotated[Path, typer.Option(help="Who is tested.")] = Path("data/raw/list_eval_partition.txt"),
    model: Annotated[Path, typer.Option(help="The trained aligner.")] = Path("models/aligner.safetensors"),
    results: Annotated[Path, typer.Option(help="The folder for the results.")] = Path("results/evaluate_aligner"),
) -> None:
    """Put faces of the test split into larger pictures, turned, scaled and moved, and see whether they are found there.

    Of pictures without a face (textures, landscapes, faces whose features are hidden) none should be taken for one.

    Inputs: data/raw/img_align_celeba.zip, list_eval_partition.txt, models/aligner.safetensors.

    Outputs, in results/evaluate_aligner: metrics.json (aligner.found: the share of faces; aligner.corner_error: how far
    the corners of their frames are off, the median, in pixels of the aligned images), pictures.csv (a row for each
    picture), found.png (pictures with the found frame, the face in it, and the aligned image).

    Parameters: evaluate_aligner (pictures: so many with a face and so many without; faces: how many found.png shows;
    seed).
    """
    from facevae.core.files import write_json
    from facevae.core.params import load_section
    from facevae.core.tables import write_table
    from facevae.data.aligned import read_aligned
    from facevae.evaluation.aligner import COLUMNS, UNKNOWN, AlignerEvaluation, evaluate_aligner, load_finder
    from facevae.figures.sheets import image_sheet
    from facevae.nn.device import measure_on

    settings = load_section(params, "evaluate_aligner", AlignerEvaluation)
    finder = load_finder(model, measure_on(device, threads=1))
    data = read_aligned(archive, partitions, ("test",), settings.pictures, None, workers)
    report = evaluate_aligner(finder, data.names["test"], data.images["test"], settings)
    write_json(results / "metrics.json", {"aligner": report.metrics})
    write_table(results / "pictures.csv", report.rows, COLUMNS, unknown=UNKNOWN)
    image_sheet(results / "found.png", report.shown, ["picture, found frame", "in the frame", "aligned image"])
    print(f"{report.summary()}; details in {results}")


if __name__ == "__main__":
    run(main)
