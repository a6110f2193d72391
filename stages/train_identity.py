"""Stage train_identity: train the network that says whether an edit keeps the person."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import CheckpointSeconds, Compile, Device, Logs, Params


def main(
    params: Params = Path("params.yaml"),
    device: Device = "auto",
    arrays: Annotated[Path, typer.Option(help="The cached arrays.")] = Path("data/vae/arrays"),
    identities: Annotated[Path, typer.Option(help="Who is who.")] = Path("data/raw/identity_CelebA.txt"),
    judge: Annotated[Path, typer.Option(help="The trained judge.")] = Path("models/judge.safetensors"),
    model: Annotated[Path, typer.Option(help="The model to write.")] = Path("models/identity.safetensors"),
    results: Annotated[Path, typer.Option(help="The folder for history and metrics.")] = Path("results/train_identity"),
    logs: Logs = Path("logs"),
    compile: Compile = "auto",
    checkpoint_seconds: CheckpointSeconds = 60.0,
) -> None:
    """Train a network to tell the train split's persons apart, from the judge's convolutions on. It only evaluates.

    Inputs: data/vae/arrays, data/raw/identity_CelebA.txt, models/judge.safetensors.

    Outputs: models/identity.safetensors; results/train_identity/history.csv, metrics.json (how well the test split's
    persons are told apart) and verification.csv (the same beside the judge's features and the pixels). With too few
    persons of several images, as among drawn faces, nothing is trained: the model says so, and the judge's features
    stand in for it. Where there is no judge, random convolutions do for it.

    Parameters: train_identity.

    An interrupted training goes on where it stopped when it is started again with the same parameters and data.
    """
    from facevae.celeba.tables import read_identities
    from facevae.core.files import write_json
    from facevae.core.params import load_section
    from facevae.core.tables import write_table
    from facevae.data.arrays import open_vae
    from facevae.data.persons import persons_of, unseen_of
    from facevae.evaluation.identity import (
        VERIFICATION_COLUMNS,
        identity_metrics,
        identity_summary,
        verification_auc,
    )
    from facevae.models.classifier import from_metadata
    from facevae.models.identity import metadata_of
    from facevae.nn.model_files import load_model, save_weights
    from facevae.training.identity import HISTORY_COLUMNS, IdentitySettings, digest, train_identity
    from facevae.training.loop.run import Options, start_run

    settings = load_section(params, "train_identity", IdentitySettings)
    data, known = open_vae(arrays), read_identities(identities).by_stem()
    start, judge_metadata = load_model(judge, "judge", from_metadata)
    persons = persons_of(data.names["train"], known, settings.least_images)
    valid, test = (unseen_of(data, split, known, persons) for split in ("valid", "test"))
    inputs = data.manifest | {"identity": digest(persons, valid, start)}
    options = Options(device, compile, logs, checkpoint_seconds)
    with start_run("train_identity", options, settings.model_dump(), inputs) as training:
        watch, width = partial(verification_auc, valid), judge_metadata["width"]
        network, history = train_identity(data, persons, start, watch, settings, training, width)
        if not training.processes.is_main:
            return
        metrics, rows = identity_metrics(network, persons, start, test, training.device)
        metadata = metadata_of(data.images["train"].shape[1], network, len(persons.identities))
        save_weights(model, network.state_dict() if network else {}, metadata)
        write_table(results / "history.csv", history, None if history else HISTORY_COLUMNS)
        write_table(results / "verification.csv", rows, VERIFICATION_COLUMNS)
        write_json(results / "metrics.json", {"identity": metrics})
    found = identity_summary(metrics, rows, persons, settings.least_images, settings.least_persons, judge=bool(start))
    print(f"{model}: {found}; details in {results}")


if __name__ == "__main__":
    run(main)
