"""Stage train_dae: train the denoising autoencoder."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import CheckpointSeconds, Compile, Device, Logs, Params


def main(
    params: Params = Path("params.yaml"),
    device: Device = "auto",
    arrays: Annotated[Path, typer.Option(help="The cached arrays.")] = Path("data/dae/arrays"),
    identities: Annotated[Path, typer.Option(help="Who is who.")] = Path("data/raw/identity_CelebA.txt"),
    start: Annotated[
        Path | None, typer.Option(dir_okay=False, help="A trained denoiser to go on from, to fine-tune it.")
    ] = None,
    model: Annotated[Path, typer.Option(help="The model to write.")] = Path("models/dae.safetensors"),
    results: Annotated[Path, typer.Option(help="The folder for the history.")] = Path("results/train_dae"),
    logs: Logs = Path("logs"),
    compile: Compile = "auto",
    checkpoint_seconds: CheckpointSeconds = 60.0,
) -> None:
    """Train the denoiser on the train split's pairs of clean and noisy images.

    Inputs: data/dae/arrays, data/raw/identity_CelebA.txt (nobody both trains and validates).

    Outputs: models/dae.safetensors; results/train_dae/history.csv, a row per epoch. TensorBoard in logs/train_dae.

    Parameters: dae; of the groups unet and report only the one that dae.architecture names.

    An interrupted training goes on where it stopped when it is started again with the same parameters and data.

    --start fine-tunes a denoiser: its weights are those of the first step. DVC does not see that file.
    """
    from facevae.celeba.tables import read_identities
    from facevae.core.params import load_section
    from facevae.core.tables import write_table
    from facevae.data.arrays import open_dae
    from facevae.models.dae import metadata_of
    from facevae.nn.model_files import save_weights
    from facevae.training.dae import DaeSettings, train_denoiser
    from facevae.training.loop.run import Options, facts_of_start, start_run

    settings = load_section(params, "dae", DaeSettings)
    data, known = open_dae(arrays), read_identities(identities).by_stem()
    options, begun = Options(device, compile, logs, checkpoint_seconds), facts_of_start(start, "dae")
    with start_run("train_dae", options, settings.model_dump() | begun, data.manifest) as training:
        network, history = train_denoiser(data, known, settings, training, start)
        if not training.processes.is_main:
            return
        save_weights(model, network.state_dict(), metadata_of(settings, *data.clean["train"].shape[1:3]) | begun)
        write_table(results / "history.csv", history)
    print(f"{model}: trained for {len(history)} epochs, history in {results}")


if __name__ == "__main__":
    run(main)
