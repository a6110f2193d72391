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
    accuracy on the test split, of each attribute and on average).

    Parameters: train_judge.

    An interrupted training goes on where it stopped when it is started again with the same parameters and data.
    """
    from facevae.core.files import write_json
    from facevae.core.params import load_section
    from facevae.core.tables import write_table
    from facevae.data.arrays import open_vae
    from facevae.evaluation.judge import judge_accuracies
    from facevae.models.classifier import metadata_of
    from facevae.nn.model_files import save_weights
    from facevae.training.classifier import ClassifierSettings, train_classifier
    from facevae.training.loop.run import Options, start_run

    settings = load_section(params, "train_judge", ClassifierSettings)
    data = open_vae(arrays)
    options = Options(device, compile, logs, checkpoint_seconds)
    with start_run("train_judge", options, settings.model_dump(), data.manifest) as training:
        judge, history = train_classifier(data, settings, training, section="train_judge", prefix="judge ")
        if not training.processes.is_main:
            return
        accuracies = judge_accuracies(judge, data, training.device)
        mean = sum(accuracies.values()) / len(accuracies)
        metadata = metadata_of(data.images["train"].shape[1], settings.width, data.attribute_names)
        save_weights(model, judge.state_dict(), metadata)
        write_table(results / "history.csv", history)
        rows = [{"attribute": name, "balanced_accuracy": value} for name, value in accuracies.items()]
        write_table(results / "attributes.csv", rows)
        write_json(results / "metrics.json", {"judge": {"balanced_accuracy": mean}})
    print(f"{model}: mean balanced accuracy {mean:.3f}, details in {results}")


if __name__ == "__main__":
    run(main)
