"""Stage train_judge: train the classifier of attributes that judges the VAE's edits."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import CheckpointSeconds, Compile, Device, Logs, Params


def main(
    params: Params = Path("params.yaml"),
    device: Device = "auto",
    arrays: Annotated[Path, typer.Option(help="The cached arrays.")] = Path("data/vae/arrays"),
    model: Annotated[Path, typer.Option(help="The model to write.")] = Path("models/judge.safetensors"),
    results: Annotated[Path, typer.Option(help="The folder for history and metrics.")] = Path("results/train_judge"),
    logs: Logs = Path("logs"),
    compile: Compile = "auto",
    checkpoint_seconds: CheckpointSeconds = 60.0,
) -> None:
    """Train a small classifier of all attributes, balanced against rare ones. It evaluates and never trains another.

    Input: data/vae/arrays.

    Outputs: models/judge.safetensors; results/train_judge/history.csv, attributes.csv and metrics.json (balanced
    accuracy on the test split, of each attribute and on average). Without an attribute that some train images have and
    some have not nothing is trained: the model says so, and the tables are empty.

    Parameters: train_judge.

    An interrupted training goes on where it stopped when it is started again with the same parameters and data.
    """
    from facevae.core.files import write_json
    from facevae.core.params import load_section
    from facevae.core.tables import write_table
    from facevae.data.arrays import open_vae
    from facevae.data.labels import both_kinds
    from facevae.evaluation.judge import judge_accuracies, judge_summary
    from facevae.models.classifier import metadata_of
    from facevae.nn.model_files import save_weights
    from facevae.training.classifier import HISTORY_COLUMNS, ClassifierSettings, train_classifier
    from facevae.training.loop.run import Options, start_run

    settings = load_section(params, "train_judge", ClassifierSettings)
    data = open_vae(arrays)
    options = Options(device, compile, logs, checkpoint_seconds)
    names = data.attribute_names if both_kinds(data.attributes["train"]).any() else ()
    metadata = metadata_of(data.images["train"].shape[1], settings.width, names)
    weights, history, accuracies = {}, [], {}
    with start_run("train_judge", options, settings.model_dump(), data.manifest) as training:
        if names:
            judge, history = train_classifier(data, settings, training, section="train_judge", prefix="judge ")
        if not training.processes.is_main:
            return
        if names:
            weights, accuracies = judge.state_dict(), judge_accuracies(judge, data, training.device)
        metrics = {"balanced_accuracy": sum(accuracies.values()) / len(accuracies)} if accuracies else {}
        save_weights(model, weights, metadata)
        write_table(results / "history.csv", history, None if history else HISTORY_COLUMNS)
        rows = [{"attribute": name, "balanced_accuracy": value} for name, value in accuracies.items()]
        write_table(results / "attributes.csv", rows, ("attribute", "balanced_accuracy"))
        write_json(results / "metrics.json", {"judge": metrics})
    print(f"{model}: {judge_summary(names, accuracies)}, details in {results}")


if __name__ == "__main__":
    run(main)
