"""Ways of editing a photograph on unseen faces of a run: how often each is seen, and what is left of the photograph.

    python -m bench.ways --project DIR [--faces 200] [--csv FILE]

DIR holds models/ and data/vae/ of a run. Each attribute's plain edit, at its recommended strength, stands beside the
residual one at the same strength and at the one with which it is seen equally often; residual edits with strengths
searched per face stand beside the plain one at the strength with which that is seen as often as they are. With
--everywhere residual edits may change the whole image, and not only where their attribute shows.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from facevae.core.command import run
from facevae.core.tables import write_table
from facevae.data.arrays import open_vae
from facevae.evaluation.edits import Edit, Faces, embed_all
from facevae.evaluation.judge import judge_images
from facevae.evaluation.plausibility import possible
from facevae.evaluation.ways import COLUMNS, PER_FACE, PLAIN, RESIDUAL, Ways, WayVerdict
from facevae.latents.posteriors import load_posteriors
from facevae.latents.vectors import AttributeVectors, load_vectors
from facevae.models import classifier, identity
from facevae.models.vae import from_metadata
from facevae.nn.device import measure_on
from facevae.nn.model_files import load_model

# Residual edits seen as often as plain ones at the recommended strength; plain ones seen as often as those per face.
EQUAL, PLAIN_EQUAL = "residual_equally_seen", "plain_equally_seen"

# Shares of faces that differ by no more count as equal; of few faces one is more than that.
_WITHIN = 0.01

# The strength that is seen equally often is searched up to so many times the recommended one.
_FARTHEST = 3.0


def main(
    project: Annotated[Path, typer.Option(help="The folder with models/ and data/vae/ of a run.")] = Path(),
    faces: Annotated[int, typer.Option(min=1, help="Unseen faces per attribute, at most.")] = 200,
    images: Annotated[int | None, typer.Option(min=1, help="Only the first unseen images of the run.")] = None,
    attribute: Annotated[list[str] | None, typer.Option(help="Only these; may be given several times.")] = None,
    everywhere: Annotated[bool, typer.Option(help="Without the maps of where attributes show.")] = False,
    csv: Annotated[Path | None, typer.Option(help="A file for the table.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Judge every attribute's edits in each way and print them and what they come to."""
    crowd, pixels, seen, vectors = load(project, device, images)
    if everywhere:
        vectors = replace(vectors, maps=None)
    verdicts: list[WayVerdict] = []
    for name in map(vectors.named, attribute or vectors.names):
        verdicts += judge_attribute(crowd, pixels, seen, vectors, name, faces)
        for verdict in verdicts:
            if verdict.attribute == name:
                print(line(verdict), flush=True)
    print(summary(verdicts))
    if csv is not None:
        write_table(csv, [vars(verdict) for verdict in verdicts], COLUMNS)


def load(project: Path, device: str, most: int | None) -> tuple[Faces, np.ndarray, np.ndarray, AttributeVectors]:
    """The unseen faces of a run, their images (N, S, S, 3) uint8, the judge's probabilities on them, the vectors."""
    models, folder = project / "models", project / "data/vae"
    arrays = open_vae(folder / "arrays")
    vae, metadata = load_model(models / "vae.safetensors", "vae", from_metadata)
    chosen = measure_on(device, vae.settings.threads)
    judge, _ = load_model(models / "judge.safetensors", "judge", classifier.from_metadata)
    network, metadata = load_model(models / "identity.safetensors", "identity", identity.from_metadata)
    vae, judge = vae.to(chosen), judge.to(chosen)
    images, labels = arrays.images["test"][:most], arrays.attributes["test"][:most]
    name, embed = identity.embedder(network, metadata, judge, images.shape[1])
    vectors = load_vectors(models / "attribute_vectors.safetensors")
    posteriors = load_posteriors(folder / "latents.safetensors", arrays.counts)
    print(f"{len(images)} unseen images of {images.shape[1]} pixels; persons are compared by the {name} network")
    able = possible(labels, arrays.attributes["train"], arrays.attribute_names, vectors.context)
    crowd = Faces(
        vae, judge, posteriors.mu["test"][:most], labels, arrays.attribute_names, chosen, possible=able, embed=embed,
        persons=embed_all(embed, images, chosen),
    )  # fmt: skip
    return crowd, images, judge_images(judge, images, chosen).probabilities, vectors


def judge_attribute(
    crowd: Faces, images: np.ndarray, seen: np.ndarray, vectors: AttributeVectors, name: str, most: int
) -> list[WayVerdict]:
    """The verdicts on one attribute's edits; none where there is no face to judge."""

    def at(strength: float, searched: int = 0) -> dict[str, WayVerdict]:
        ways = Ways(crowd, images, seen, {}, vectors, most, searched)
        list(
            crowd.judge_edits(
                [Edit(name, torch.from_numpy(vectors.of(name)), strength, vectors.method)], most, observe=ways
            )
        )
        return {verdict.way: verdict for verdict in ways.verdicts}

    strength = vectors.recommendation(name).strength
    found = at(strength, most)
    if not found:
        return []

    def equally(way: str, target: float) -> WayVerdict:
        """The way's verdict at the strength whose detection rate is the nearest, by bisection."""
        low, high, best = 0.0, _FARTHEST * strength, found[way]
        for _ in range(7):
            if equal(best.detection_rate, target, best.faces):
                break
            middle = (low + high) / 2
            tried = at(middle)[way]
            low, high = (middle, high) if tried.detection_rate < target else (low, middle)
            if abs(tried.detection_rate - target) < abs(best.detection_rate - target):
                best = tried
        return best

    return [
        found[PLAIN],
        found[RESIDUAL],
        replace(equally(RESIDUAL, found[PLAIN].detection_rate), way=EQUAL),
        found[PER_FACE],
        replace(equally(PLAIN, found[PER_FACE].detection_rate), way=PLAIN_EQUAL),
    ]


def equal(rate: float, other: float, faces: int) -> bool:
    """Whether two shares of so many faces are as good as the same: within a point, or by one face."""
    return abs(rate - other) <= max(_WITHIN, 1 / faces) + 1e-9


def line(verdict: WayVerdict) -> str:
    """A verdict for a reader."""
    return (
        f"{verdict.attribute:20} {verdict.way:22} strength {verdict.strength:5.2f}  {verdict.faces:4} faces  "
        f"seen {verdict.detection_rate:.3f}  cosine {verdict.identity:.3f}  leakage {verdict.leakage:.3f}  "
        f"changed {verdict.changed_pixels:.3f}  outside {verdict.psnr_outside_db:5.1f} dB"
    )


def summary(verdicts: Sequence[WayVerdict]) -> str:
    """Means over the attributes by way, and residual edits against the plain ones that are seen equally often."""
    by_way: dict[str, dict[str, WayVerdict]] = {}
    for verdict in verdicts:
        by_way.setdefault(verdict.way, {})[verdict.attribute] = verdict

    def mean(way: str, measure: str, names: Sequence[str]) -> float:
        return float(np.mean([getattr(by_way[way][name], measure) for name in names]))

    everything = list(by_way.get(PLAIN, {}))
    lines = [
        f"mean of {len(everything)}: {way:22} "
        + "  ".join(f"{name} {mean(way, name, everything):.3f}" for name in ("detection_rate", "identity", "leakage"))
        for way in by_way
    ]
    for way, against in ((EQUAL, PLAIN), (PER_FACE, PLAIN_EQUAL)):
        same = [
            name
            for name in everything
            if equal(by_way[way][name].detection_rate, by_way[against][name].detection_rate, by_way[way][name].faces)
        ]
        lines.append(
            f"{way} and {against}, seen equally often ({_WITHIN:g}): {len(same)} of {len(everything)} attributes"
        )
        for title, names in (("mean of these", same), *((name, [name]) for name in ("Smiling", "Eyeglasses"))):
            if names and set(names) <= set(same):
                gained = mean(way, "identity", names) - mean(against, "identity", names)
                ratio = mean(way, "leakage", names) / mean(against, "leakage", names)
                lines.append(f"  {title}: cosine {gained:+.3f}, leakage {ratio:.2f} of the plain one's")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
