"""docs/results.md out of bench/measured/: every figure comes from there. Run by `make page`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/results.md"
TABLES = yaml.safe_load((ROOT / "bench/comparison.yaml").read_text(encoding="utf-8"))
# The report's own figure, and what it says of its autoencoder.
PUBLISHED_BCE = "0.674"

# Mean accuracies over CelebA's 40 attributes in percent, as Hou et al. 2017 (arXiv 1610.00291) tabulate them.
PUBLISHED_PREDICTIONS = {"FaceTracer": 81, "PANDA-w": 79, "PANDA-l": 85, "LNets+ANet": 87, "DFC-VAE": 86.95}

Column = tuple[str, Callable[[dict[str, Any]], str]]


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.relative_to(ROOT))


def row(name: str) -> dict[str, Any]:
    """What bench/comparison.py measured of a row, or kept of the default run."""
    return json.loads((ROOT / f"bench/measured/{name}.json").read_text(encoding="utf-8"))


def committed(stage: str) -> dict[str, Any]:
    """The metrics of a stage of the committed run on drawn faces, whatever has run in the workspace since."""
    return row("default")[stage]["metrics"]


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    marks = ["---", *("--:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, marks, *lines))


def rows_of(name: str, columns: Sequence[Column]) -> str:
    """A table of comparison.yaml with these columns, as far as its rows were measured."""
    lines = [
        [body["what"], *(get(row(key)) for _, get in columns), f"`{key}`"] for key, body in TABLES[name]["rows"].items()
    ]
    return table(["", *(title for title, _ in columns), "row"], lines)


def at(*path: str, digits: int = 2, percent: bool = False) -> Callable[[dict[str, Any]], str]:
    """A getter of the metric at `path`, as text."""

    def get(measured: dict[str, Any]) -> str:
        value = measured["metrics"]
        for part in path:
            value = value[part]
        return f"{value:.1%}" if percent else f"{value:.{digits}f}"

    return get


def seconds(measured: dict[str, Any]) -> str:
    """How long the training took."""
    return f"{measured['training_seconds']}" if "training_seconds" in measured else ""


def sweep() -> str:
    """Denoisers by noise level, all on the same images."""
    default = row("dae-default")["metrics"]["sweep"]
    others = {"the default": "dae-default", "the report's": "dae-report-network"}
    sigmas = [name for name in default if name.startswith("sigma_")]

    def cells(found: dict[str, Any], denoiser: str) -> list[str]:
        return [f"{found[s][denoiser]['psnr_db']:.2f} / {found[s][denoiser]['ssim']:.3f}" for s in sigmas]

    classical = ["noisy", "wavelet", "total_variation", "non_local_means"]
    lines = [[name.replace("_", " "), *cells(default, name)] for name in classical]
    lines += [[title, *cells(row(name)["metrics"]["sweep"], "model")] for title, name in others.items()]
    return table(["PSNR in dB / SSIM", *(name.replace("_", " ") for name in sigmas)], lines)


def published() -> str:
    """The report's own experiment, with what its loss has to be compared with."""
    here, default = row("report-dae")["metrics"], row("report-dae-default")["metrics"]
    collapsed = row("report-dae-collapsed")["metrics"]
    head = ["", "test BCE", "PSNR in dB", "SSIM"]
    lines = [
        ["the report, as published", PUBLISHED_BCE, "not given", "not given"],
        ["one constant colour", f"{here['bce_constant_colour']:.4f}", f"{here['psnr_db_constant_colour']:.2f}", ""],
        ["the noisy input", "", f"{here['psnr_db_noisy']:.2f}", f"{here['ssim_noisy']:.3f}"],
        *(
            [what, f"{m['bce']:.4f}", f"{m['psnr_db']:.2f}", f"{m['ssim']:.3f}"]
            for what, m in (
                ("the same settings, run here", here),
                ("with a learning rate of 0.1", collapsed),
                ("the default denoiser, same images", default),
            )
        ),
        ["the floor: the images' own entropy", f"{here['bce_floor']:.4f}", "", ""],
    ]
    return table(head, lines)


def autoencoders() -> str:
    """The autoencoders at 64 pixels."""
    return rows_of(
        "autoencoder",
        [
            ("PSNR in dB", at("reconstruction", "psnr_db")),
            ("SSIM", at("reconstruction", "ssim", digits=3)),
            ("KL in nats", at("reconstruction", "kl_nats", digits=0)),
            ("active", at("reconstruction", "active_dimensions", digits=0)),
            ("probe", at("probe", "accuracy", percent=True)),
            ("balanced", at("probe", "balanced_accuracy", percent=True)),
            ("FD reconstructions", at("frechet", "reconstructions", digits=3)),
            ("FD mixture", at("frechet", "mixture_samples", digits=3)),
            ("FD prior", at("frechet", "prior_samples", digits=3)),
            ("training s", seconds),
        ],
    )


def drawn() -> str:
    """The committed run on drawn faces."""
    dae, vae, judge = (committed(stage) for stage in ("evaluate_dae", "evaluate_vae", "train_judge"))
    reconstruction, frechet, probe = vae["reconstruction"], vae["frechet"], vae["probe"]
    lines = [
        ["denoiser, sigma 25, PSNR (noisy)", f"{dae['psnr_db']:.2f} dB ({dae['psnr_db_noisy']:.2f})"],
        ["best classical denoiser, PSNR", f"{_best_classical(dae):.2f} dB"],
        ["autoencoder, PSNR", f"{reconstruction['psnr_db']:.2f} dB"],
        ["autoencoder, KL", f"{reconstruction['kl_nats']:.0f} nats, {reconstruction['active_dimensions']} active"],
        ["judge, balanced accuracy", f"{judge['mean_balanced_accuracy']:.3f}"],
        [
            "judge's accuracy on reconstructions (on the images)",
            f"{reconstruction['judge_accuracy_reconstruction']:.1%} ({reconstruction['judge_accuracy']:.1%})",
        ],
        ["largest loss of an attribute of over 100 pixels", f"{reconstruction['judge_largest_loss']:.1%}"],
        ["linear probe, accuracy (majority)", f"{probe['accuracy']:.1%} ({probe['majority_accuracy']:.1%})"],
        *(
            [f"Frechet distance of {frechet['images']}, {name.replace('_', ' ')}", f"{frechet[name]:.3f}"]
            for name in ("train_images", "reconstructions", "mixture_samples", "prior_samples")
        ),
    ]
    return table(["", "committed run"], lines)


def methods(measured: dict[str, Any]) -> str:
    """The methods of finding vectors, compared; what only drawn faces tell is left out where it is not known."""
    columns = {
        "flipped_1": ("flipped at 1", "{:.1%}"), "leakage_1": ("leakage at 1", "{:.3f}"),
        "flipped_2": ("flipped at 2", "{:.1%}"), "leakage_2": ("leakage at 2", "{:.3f}"),
        "explained_change": ("explained change", "{:.2f}"), "lowest_explained_change": ("its lowest", "{:.2f}"),
        "attributes_above_0": ("attributes above 0", "{:.0f}"), "roc_auc": ("ROC AUC", "{:.3f}"),
    }  # fmt: skip
    found = measured["methods"]
    known = [name for name in columns if name in next(iter(found.values()))]
    lines = [
        [method.replace("_", " "), *(columns[name][1].format(values[name]) for name in known)]
        for method, values in found.items()
    ]
    return table(["", *(columns[name][0] for name in known)], lines)


def edits(metrics: dict[str, Any]) -> str:
    """The chosen attributes' edits at their recommended strengths, and the mean of all."""
    found = metrics["edits"]
    known = ("strength", "seen", "flipped", "seen_on_all", "leakage", "identity_kept")
    formats = ("{:g}", "{:.1%}", "{:.1%}", "{:.1%}", "{:.3f}", "{:.3f}")
    lines = [
        [name.replace("_", " "), *(form.format(values[key]) for key, form in zip(known, formats, strict=True))]
        for name, values in found.items()
        if isinstance(values, dict)
    ]
    means = [form.format(found[f"mean_{key}"]) for key, form in zip(known[1:], formats[1:], strict=True)]
    head = ["", "strength", "seen", "flipped", "seen on all", "leakage", "identity kept"]
    return table(head, [*lines, ["mean of all attributes", "", *means]])


def explained(metrics: dict[str, Any]) -> str:
    """Explained change of the chosen attributes, by method."""
    found = metrics["counterfactual"]
    names = [name for name, values in found.items() if isinstance(values, dict)]
    lines = []
    for method in metrics["methods"]:
        cells = [f"{found[name][f'{method}_against_reconstruction']:.2f}" for name in names]
        mean = f"{found[f'mean_{method}_against_reconstruction']:.2f}"
        lines.append([method.replace("_", " "), *cells, mean])
    return table(["", *(name.replace("_", " ") for name in names), "mean of all attributes"], lines)


def predictions(measured: dict[str, Any]) -> str:
    """What the latents say of each attribute."""
    columns = {
        "majority_accuracy": "majority", "accuracy": "probe", "balanced_accuracy": "balanced", "roc_auc": "ROC AUC",
        "dot_accuracy": "dot product", "dot_balanced_accuracy": "balanced", "dot_roc_auc": "ROC AUC",
    }  # fmt: skip
    rows = measured["tables"]["predictions"]

    def cell(value: float | None, name: str) -> str:
        return "" if value is None else f"{value:.3f}" if name.endswith("auc") else f"{value:.1%}"

    lines = [[row["attribute"].replace("_", " "), *(cell(row[name], name) for name in columns)] for row in rows]
    means = {name: [row[name] for row in rows if row[name] is not None] for name in columns}
    lines.append(["**mean**", *(cell(sum(values) / len(values), name) for name, values in means.items())])
    return table(["", *columns.values()], lines)


def published_predictions(metrics: dict[str, Any]) -> str:
    """Mean accuracies over the attributes, theirs and ours."""
    probe = metrics["probe"]
    lines = [[name, f"{value:g}%"] for name, value in PUBLISHED_PREDICTIONS.items()]
    lines += [
        ["always the majority, here", f"{probe['majority_accuracy']:.1%}"],
        ["logistic regressions on the latents, here", f"{probe['accuracy']:.1%}"],
    ]
    return table(["", "mean accuracy"], lines)


def _best_classical(metrics: dict[str, Any]) -> float:
    at_25 = metrics["sweep"]["sigma_25"]
    return max(at_25[name]["psnr_db"] for name in ("wavelet", "total_variation", "non_local_means"))


def base(name: str) -> str:
    """What all rows of a table change, as one would type it."""
    return " ".join(f"-S {change}" for change in TABLES[name]["base"])


def page() -> str:
    """The whole page."""
    default, report = (row(name)["metrics"] for name in ("dae-default", "dae-report-network"))
    here, collapsed = row("report-dae")["metrics"], row("report-dae-collapsed")["metrics"]
    vae_collapsed = row("vae-report-collapsed")["metrics"]["reconstruction"]
    real = row("edits-real")
    vae, weighted = row("vae-default")["metrics"], row("vae-pytorch-vae")["metrics"]
    return TEMPLATE.format(
        sweep=sweep(),
        sweep_images=default["sweep"]["images"],
        base_denoiser=base("denoiser"),
        training_minutes=f"{row('dae-default')['training_seconds'] / 60:.0f}",
        gain_classical=f"{default['sweep']['sigma_25']['model']['psnr_db'] - _best_classical(default):.1f}",
        gain_report=f"{default['psnr_db'] - report['psnr_db']:.1f}",
        default_psnr=f"{default['psnr_db']:.2f}",
        published=published(),
        published_bce=PUBLISHED_BCE,
        constant_bce=f"{here['bce_constant_colour']:.4f}",
        here_bce=f"{here['bce']:.4f}",
        floor=f"{here['bce_floor']:.4f}",
        bce_range=f"{here['bce_constant_colour'] - here['bce_floor']:.2f}",
        collapsed_psnr=f"{collapsed['psnr_db']:.2f}",
        collapsed_bce=f"{collapsed['bce']:.4f}",
        constant_psnr=f"{here['psnr_db_constant_colour']:.2f}",
        denoiser_changes=rows_of(
            "denoiser_changes",
            [("PSNR in dB", at("psnr_db")), ("SSIM", at("ssim", digits=3)), ("training s", seconds)],
        ),
        base_denoiser_changes=base("denoiser_changes"),
        base_autoencoder=base("autoencoder"),
        autoencoders=autoencoders(),
        frechet_images=vae["frechet"]["images"],
        frechet_train=f"{vae['frechet']['train_images']:.3f}",
        majority=f"{vae['probe']['majority_accuracy']:.1%}",
        vae_collapsed_psnr=f"{vae_collapsed['psnr_db']:.2f}",
        vae_collapsed_active=vae_collapsed["active_dimensions"],
        weighted_kl=f"{weighted['reconstruction']['kl_nats']:.0f}",
        weighted_psnr=f"{weighted['reconstruction']['psnr_db']:.2f}",
        default_kl=f"{vae['reconstruction']['kl_nats']:.0f}",
        drawn=drawn(),
        drawn_edits=edits(committed("evaluate_vae")),
        drawn_explained=explained(committed("evaluate_vae")),
        drawn_methods=methods(committed("evaluate_vae")),
        base_edits=base("edits"),
        real_edits=edits(real["metrics"]),
        real_methods=methods(real["metrics"]),
        real_identity=["the judge", "a network trained on the persons of the train split"][
            real["metrics"]["edits"]["identity_network"]
        ],
        real_psnr=f"{real['metrics']['reconstruction']['psnr_db']:.2f}",
        predictions=predictions(real),
        published_predictions=published_predictions(real["metrics"]),
    )


TEMPLATE = """\
# Results

Made by `docs/results.py` from the measurements in `bench/measured/`; nothing on this page is typed but
the words and what others published. Real faces are 9,311 images of CelebA, spread over its numbering, with CelebA's
own partitions (7,436 to train, 942 to validate, 933 to test). The machine: two cores of a server processor with
matrix units for bfloat16. A row is made again by

```console
$ python -m bench.comparison --celeba DIR dae-default
```

with the name in its last column; [bench/comparison.yaml](../bench/comparison.yaml) says what each changes.

## Denoising, real faces

Full images of 218x178 pixels, {sweep_images} unseen test images, the same for all, noise rounded and clipped to
bytes. Classical denoisers are scikit-image's, with its recommended setting for the known sigma; networks are not told
it, and have seen sigma 25 alone: at 50 they fail, unless `dae.fresh_noise` is a range.

{sweep}

Settings: `{base_denoiser}`. The default trained for {training_minutes} minutes: on all 250 test images
{default_psnr} dB, {gain_report} dB above the report's network; on those of the sweep {gain_classical} dB above the
best classical denoiser. The best figure published on CelebA that we know is 32.64 dB at sigma 25, with another
protocol (128 pixels).

## The report's denoiser

Its own experiment: 600 images to train, 400 to test, sigma 25, binary cross-entropy, Adam at 0.01, ten epochs.

{published}

**The brown pictures.** The published {published_bce} is what one constant colour scores ({constant_bce} here): a
collapsed model. The same settings give {here_bce} here, close to the floor of {floor}, so neither the network nor the
loss has to fail. What makes it collapse is a step too large: with a learning rate of 0.1 we get {collapsed_bce} and
{collapsed_psnr} dB, one colour's {constant_psnr} dB. The ReLUs die, nothing but the last layer's bias is left to
learn, and the best bias is the mean colour. Binary cross-entropy hides it, since its whole range from the constant
colour to the floor is {bce_range} nats wide: hence PSNR and SSIM beside it, and a warning after each epoch that is no
better than one colour.

**A loss of -76,805,200**, the report's other figure, comes from targets outside of [0, 1]. Arrays are bytes here, so
it can't happen.

**The autoencoder that never trained.** With the report's network at 64 pixels, Adam and binary cross-entropy, a
learning rate of 0.001 trains (row `vae-report` below). After an epoch at 0.1 there are {vae_collapsed_active} active
dimensions and {vae_collapsed_psnr} dB: every face gets the same code and the same picture, further from faces than one
colour. The training says so after each epoch.

## What each change brings to the denoiser

Less than a minute of training each, 2,000 images, 100 test images, sigma 25. Settings: `{base_denoiser_changes}`.

{denoiser_changes}

Without a limit on the gradient's norm this network, which has no normalisation, can diverge, as it did in row
`dae-fast-unclipped`: hence `dae.gradient_clip`.

## Autoencoders, real faces

64 pixels (centred crop of 148, bilinear), 128 latent dimensions, 5 epochs of the 7,436 train images, measured on the
933 test images. Settings: `{base_autoencoder}`.

{autoencoders}

* PSNR and SSIM of the decoded posterior mean, per image, averaged. KL per image; `active` dimensions are those whose
  posterior mean varies by more than 0.01.
* `probe`: a logistic regression per attribute on the latents of the train images, mean accuracy over the attributes
  of the test images, and the balanced one; always answering the more frequent kind scores {majority} and 50%.
* `FD`: Frechet distance in the features of the pipeline's judge (a classifier trained on the train images; its last
  stage, averaged over places), {frechet_images} images on each side, all at 64 pixels, samples seeded with 0: not an
  FID, comparable within this table only. As many train images score {frechet_train}. The mixture is 10 Gaussians with
  full covariances, fitted to a draw from each train image's posterior.
* PyTorch-VAE's KL weight leaves {weighted_kl} nats in the latents (the default {default_kl}), hence {weighted_psnr}
  dB: the blur that VAEs are known for is that weight. Its own VanillaVAE, measured the same way with its own
  defaults, reached 18.13 dB and a probe of 83.6% (balanced 56.2%).
* LPIPS (`evaluate_vae.lpips`) and Hou's loss (`python -m facevae.app.presets dfc`) need weights that torchvision
  fetches; they were not run here.

## Edits of real faces

The default's networks at 64 pixels ({real_psnr} dB), 7 epochs of 7,436 images, edits of test images. Settings:
`{base_edits}`.

{real_edits}

* `strength`: the recommended one, the smallest with which the judge sees the attribute on 85% of validation faces (98%
  by default), or the one with which it sees it most; 1 goes as far as a typical face with it is from one without.
* `seen`: share of the edited faces, none of which has the attribute, on which the judge sees it; `flipped`: of those on
  whose reconstruction it did not; `leakage`: mean absolute change of the judge's probabilities of the other attributes.
  Faces of a sex that fewer than 1 in 100 images with the attribute show are left out; `seen on all` has them too: a
  judge that never saw a woman with a mustache denies one.
* `identity kept`: 1 + cos(face, edit) - cos(face, reconstruction), between embeddings by {real_identity}
  (stage train_identity: it tells two images of one unseen person from two persons' with an ROC AUC of 0.83).

How the vectors are found, means over all attributes at two strengths; `ROC AUC`: of the dot product of latent and
vector (White 2016's AtDot):

{real_methods}

## Attributes read from latents

The same autoencoder, test images. `probe`: a logistic regression per attribute on the latents, trained on the train
images (Hou et al. 2017 have an SVM); `dot product` with the vector that edits use, the threshold of the best balanced
accuracy on the validation images. Raw accuracy flatters: `majority` always answers the more frequent kind.

{published_predictions}

Theirs are of all 19,962 test images, trained on all of CelebA; ours of 933, trained on 7,436.

{predictions}

## The default on drawn faces

What `make repro` makes, on faces that the training did not see:

{drawn}

Edits at the recommended strengths; columns as above, persons compared by the judge (no one is drawn twice):

{drawn_edits}

**Explained change.** A drawn face can be drawn again with one attribute switched. Of the change between the two
reconstructions an edit of strength 1 explains: 1 is the truth, 0 as good as no edit.

{drawn_explained}

{drawn_methods}

The mean difference takes along what is correlated with an attribute; `balanced` weighs faces until the groups agree in
all other attributes, as far as they can; the regression holds these still but carries noise, which `empirical bayes`
takes out again: hence it is the default.
"""

if __name__ == "__main__":
    main()
