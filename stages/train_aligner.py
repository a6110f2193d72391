"""Stage train_aligner: train the network that brings faces in photographs to the aligned images' frame."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import CheckpointSeconds, Compile, Device, Logs, Params, Workers


def main(
    workers: Workers,
    params: Params = Path("params.yaml"),
    device: Device = "auto",
    archive: Annotated[Path, typer.Option(help="The aligned images.")] = Path("data/raw/img_align_celeba.zip"),
    partitions: Annotated[Path, typer.Option(help="Who trains.")] = Path("data/raw/list_eval_partition.txt"),
    model: Annotated[Path, typer.Option(help="The model to write.")] = Path("models/aligner.safetensors"),
    results: Annotated[Path, typer.Option(help="The folder for the history.")] = Path("results/train_aligner"),
    logs: Logs = Path("logs"),
    compile: Compile = "auto",
    checkpoint_seconds: CheckpointSeconds = 60.0,
) -> None:
    """Train a network to say where in a view a face is, how large and how turned, or that there is none.

    It learns from the aligned images alone: turned, scaled and moved at random before other pictures they are training
    data with known answers. It is not told what is in the test split.

    Inputs: data/raw/img_align_celeba.zip, list_eval_partition.txt.

    Outputs: models/aligner.safetensors, results/train_aligner/history.csv (corner errors in pixels of the aligned
    images, after one step from a random view).

    Parameters: train_aligner.

    An interrupted training goes on where it stopped when it is started again with the same parameters and data.
    """
    from facevae.alignment.boxes import boxed_share
    from facevae.core.params import load_section
    from facevae.core.tables import write_table
    from facevae.data.aligned import read_aligned
    from facevae.models.aligner import metadata_of
    from facevae.nn.model_files import save_weights
    from facevae.training.aligner import SHORT_SIDE, AlignerSettings, train_aligner
    from facevae.training.loop.run import Options, start_run

    settings = load_section(params, "train_aligner", AlignerSettings)
    data = read_aligned(archive, partitions, ("train", "valid"), settings.images, SHORT_SIDE, workers)
    counts = {split: len(names) for split, names in data.names.items()}
    inputs = {"images": data.digest, "frame": list(data.frame), **counts}
    options = Options(device, compile, logs, checkpoint_seconds)
    with start_run("train_aligner", options, settings.model_dump(), inputs) as training:
        network, history = train_aligner(data, settings, training)
        if not training.processes.is_main:
            return
        boxed = boxed_share(data.images["valid"])
        save_weights(model, network.state_dict(), metadata_of(settings.width, data.frame, counts["train"], boxed))
        write_table(results / "history.csv", history)
    error = history[-1]["valid_corner_error"]
    print(f"{model}: corners {error:.1f} pixels off after one step; details in {results}")


if __name__ == "__main__":
    run(main)
