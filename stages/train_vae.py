"""Stage train_vae: train the variational autoencoder."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import CheckpointSeconds, Compile, Device, Logs, Params


def main(
    params: Params = Path("params.yaml"),
    device: Device = "auto",
    arrays: Annotated[Path, typer.Option(help="The cached arrays.")] = Path("data/vae/arrays"),
    start: Annotated[
        Path | None, typer.Option(dir_okay=False, help="A trained autoencoder to go on from, to fine-tune it.")
    ] = None,
    model: Annotated[Path, typer.Option(help="The model to write.")] = Path("models/vae.safetensors"),
    results: Annotated[Path, typer.Option(help="The folder for the history.")] = Path("results/train_vae"),
    logs: Logs = Path("logs"),
    compile: Compile = "auto",
    checkpoint_seconds: CheckpointSeconds = 60.0,
) -> None:
    """Train the VAE on the train split's images; the valid split draws the second curve.

    Input: data/vae/arrays.

    Outputs: models/vae.safetensors; results/train_vae/history.csv, a row per epoch with the reconstruction term and
    the KL apart. TensorBoard in logs/train_vae.

    Parameters: vae; of the groups deep and report only the one that vae.architecture names.

    An interrupted training goes on where it stopped when it is started again with the same parameters and data.

    --start fine-tunes an autoencoder: its weights are those of the first step. It may have fewer latent dimensions than
    vae.latent_dim; the others are added. DVC does not see that file.
    """
    from facevae.core.params import load_section
    from facevae.core.tables import write_table
    from facevae.data.arrays import open_vae
    from facevae.models.vae import metadata_of
    from facevae.nn.model_files import save_weights
    from facevae.training.loop.run import Options, facts_of_start, start_run
    from facevae.training.vae import VaeSettings, train_autoencoder

    settings = load_section(params, "vae", VaeSettings)
    data = open_vae(arrays)
    options, begun = Options(device, compile, logs, checkpoint_seconds), facts_of_start(start, "vae")
    with start_run("train_vae", options, settings.model_dump() | begun, data.manifest) as training:
        vae, history = train_autoencoder(data, settings, training, start)
        if not training.processes.is_main:
            return
        image_size = data.images["train"].shape[1]
        facts = metadata_of(settings, image_size, data.manifest["framing"]) | begun
        save_weights(model, vae.state_dict(), facts)
        write_table(results / "history.csv", history)
    print(f"{model}: trained for {len(history)} epochs, history in {results}")


if __name__ == "__main__":
    run(main)
