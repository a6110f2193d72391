"""docs/results.md out of bench/measured/: every figure comes from there. Run by `make page`."""

import json
from collections.abc import Callable, Iterable, Sequence
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

# Whose edits the page shows.
REAL_ATTRIBUTES = ("Bangs", "Blond_Hair", "Eyeglasses", "Male", "Smiling")
DRAWN_ATTRIBUTES = ("Eyeglasses", "Mustache", "Smiling", "Wearing_Hat")

# Of the denoisers of photographs; each has a row that was trained for it alone.
SIGMAS = (15, 25, 50)

CLASSICAL = ("non_local_means", "total_variation", "wavelet")

Column = tuple[str, Callable[[dict[str, Any]], str]]


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.relative_to(ROOT))


def row(name: str) -> dict[str, Any]:
    """What bench/comparison.py measured of a row, or kept of the default run."""
    return json.loads((ROOT / f"bench/measured/{name}.json").read_text(encoding="utf-8"))


def of_default(stage: str) -> dict[str, Any]:
    """What was measured of a stage of the default run on drawn faces, whatever has run in the workspace since."""
    return row("default")[stage]


def rows_in(measured: dict[str, Any], table: str, **chosen: Any) -> list[dict[str, Any]]:
    """The rows of a measured table that have these values."""
    return [row for row in measured["tables"][table] if all(row[column] == value for column, value in chosen.items())]


def value_of(measured: dict[str, Any], table: str, **chosen: Any) -> float:
    """The value of the one row of a measured table that has these values in its other columns."""
    (found,) = rows_in(measured, table, **chosen)
    return found["value"]


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
    default = row("dae-default")
    others = {"the default": "dae-default", "the report's": "dae-report-network"}
    sigmas = list(dict.fromkeys(found["sigma"] for found in default["tables"]["sweep"]))

    def cells(measured: dict[str, Any], denoiser: str) -> list[str]:
        found = rows_in(measured, "sweep", denoiser=denoiser)
        return [f"{at['psnr_db']:.2f} / {at['ssim']:.3f}" for at in found]

    lines = [[name.replace("_", " "), *cells(default, name)] for name in ("noisy", *reversed(CLASSICAL))]
    lines += [[title, *cells(row(name), "model")] for title, name in others.items()]
    return table(["PSNR in dB / SSIM", *(f"sigma {sigma:g}" for sigma in sigmas)], lines)


def published() -> str:
    """The report's own experiment, with what its loss has to be compared with."""
    here = row("report-dae")

    def baseline(answer: str, measure: str) -> float:
        return value_of(here, "baselines", answer=answer, measure=measure)

    constant = {measure: baseline("constant_colour", measure) for measure in ("bce", "psnr_db")}
    head = ["", "test BCE", "PSNR in dB", "SSIM"]
    lines = [
        ["the report, as published", PUBLISHED_BCE, "not given", "not given"],
        ["one constant colour", f"{constant['bce']:.4f}", f"{constant['psnr_db']:.2f}", ""],
        ["the noisy input", "", f"{baseline('noisy', 'psnr_db'):.2f}", f"{baseline('noisy', 'ssim'):.3f}"],
        *(
            [what, f"{m['bce']:.4f}", f"{m['psnr_db']:.2f}", f"{m['ssim']:.3f}"]
            for what, m in (
                ("the same settings, run here", here["metrics"]["dae"]),
                ("with a learning rate of 0.1", row("report-dae-collapsed")["metrics"]["dae"]),
                ("the default denoiser, same images", row("report-dae-default")["metrics"]["dae"]),
            )
        ),
        ["the floor: the images' own entropy", f"{baseline('clean', 'bce'):.4f}", "", ""],
    ]
    return table(head, lines)


def autoencoders() -> str:
    """The autoencoders at 64 pixels."""
    return rows_of(
        "autoencoder",
        [
            ("PSNR in dB", at("vae", "psnr_db")),
            ("SSIM", at("vae", "ssim", digits=3)),
            ("KL in nats", at("vae", "kl_nats", digits=0)),
            ("active", at("vae", "active_dimensions", digits=0)),
            ("probe", at("probe", "accuracy", percent=True)),
            ("balanced", at("probe", "balanced_accuracy", percent=True)),
            ("FD reconstructions", at("frechet", "reconstructions", digits=3)),
            ("FD mixture", at("frechet", "mixture_samples", digits=3)),
            ("FD prior", at("frechet", "prior_samples", digits=3)),
            ("training s", seconds),
        ],
    )


def photographs() -> str:
    """The autoencoders of photographs, among which settings/photographs.yaml was chosen."""

    def of_epoch(measured: dict[str, Any]) -> str:
        return f"{measured['last_epoch']['valid_mse']:.5f}"

    def distance(name: str) -> Callable[[dict[str, Any]], str]:
        return lambda measured: at("frechet", name, digits=3)(measured) if "frechet" in measured["metrics"] else ""

    return rows_of(
        "photographs",
        [
            ("validation error", of_epoch),
            ("PSNR in dB", at("vae", "psnr_db")),
            ("KL in nats", at("vae", "kl_nats", digits=0)),
            ("probe", at("probe", "accuracy", percent=True)),
            ("ROC AUC", at("probe", "roc_auc", digits=3)),
            ("FD reconstructions", distance("reconstructions")),
            ("FD mixture", distance("mixture_samples")),
            ("FD prior", distance("prior_samples")),
        ],
    )


def denoised(measured: dict[str, Any], sigma: float) -> float:
    """The model's PSNR at this noise level, in dB."""
    (found,) = rows_in(measured, "sweep", sigma=sigma, denoiser="model")
    return found["psnr_db"]


def photographs_denoisers() -> str:
    """The denoiser for noise of any strength beside those for one."""
    columns: list[Column] = [
        (f"sigma {sigma:g}", lambda measured, sigma=sigma: f"{denoised(measured, sigma):.2f}") for sigma in SIGMAS
    ]
    return rows_of("photographs_denoiser", columns)


def drawn() -> str:
    """The default run on drawn faces."""
    denoiser, autoencoder, judge = (of_default(stage) for stage in ("evaluate_dae", "evaluate_vae", "train_judge"))
    dae, vae, frechet, probe = (
        denoiser["metrics"]["dae"],
        *(autoencoder["metrics"][group] for group in ("vae", "frechet", "probe")),
    )
    more = {found["measure"]: found["value"] for found in autoencoder["tables"]["summary"]}
    lines = [
        ["denoiser, sigma 25, PSNR (noisy)", f"{dae['psnr_db']:.2f} dB ({dae['psnr_db_noisy']:.2f})"],
        ["best classical denoiser, PSNR", f"{_best_classical(denoiser):.2f} dB"],
        ["autoencoder, PSNR", f"{vae['psnr_db']:.2f} dB"],
        ["autoencoder, KL", f"{vae['kl_nats']:.0f} nats, {vae['active_dimensions']} active"],
        ["judge, balanced accuracy", f"{judge['metrics']['judge']['balanced_accuracy']:.3f}"],
        [
            "judge's balanced accuracy on reconstructions (on the images)",
            f"{vae['judge_balanced_accuracy']:.1%} ({more['judge_balanced_accuracy_on_images']:.1%})",
        ],
        ["largest loss of an attribute of over 100 pixels", f"{vae['largest_attribute_loss']:.1%}"],
        ["linear probe, accuracy (majority)", f"{probe['accuracy']:.1%} ({more['majority_accuracy']:.1%})"],
        *(
            [f"Frechet distance of {more['frechet_images']:.0f}, {name.replace('_', ' ')}", f"{frechet[name]:.3f}"]
            for name in ("train_images", "reconstructions", "mixture_samples", "prior_samples")
        ),
    ]
    return table(["", "committed run"], lines)


def methods(measured: dict[str, Any]) -> str:
    """The methods of finding vectors, compared; what only drawn faces tell is left out where it is not known."""
    columns = {
        "explained_change": ("explained change", "{:.2f}"), "lowest_explained_change": ("its lowest", "{:.2f}"),
        "attributes_above_0": ("attributes above 0", "{:.0f}"), "roc_auc": ("ROC AUC", "{:.3f}"),
    }  # fmt: skip
    strengths = (1, 2)
    found = measured["tables"]["methods"]
    known = [name for name in columns if name in found[0]]
    lines = []
    for values in found:
        cells = []
        for strength in strengths:
            (at_strength,) = rows_in(measured, "method_strengths", method=values["method"], strength=strength)
            cells += [f"{at_strength['success_rate']:.1%}", f"{at_strength['leakage']:.3f}"]
        cells += [columns[name][1].format(values[name]) for name in known]
        lines.append([values["method"].replace("_", " "), *cells])
    head = [f"{what} at {strength}" for strength in strengths for what in ("success rate", "leakage")]
    return table(["", *head, *(columns[name][0] for name in known)], lines)


def edits(measured: dict[str, Any], attributes: Sequence[str]) -> str:
    """The chosen attributes' edits at their recommended strengths, and the mean of all."""
    known = ("strength", "detection_rate", "success_rate", "detection_rate_all", "leakage", "identity_kept")
    formats = ("{:g}", "{:.1%}", "{:.1%}", "{:.1%}", "{:.3f}", "{:.3f}")
    lines = []
    for name in attributes:
        (values,) = rows_in(measured, "edits", attribute=name)
        cells = [form.format(values[key]) for key, form in zip(known, formats, strict=True)]
        lines.append([name.replace("_", " "), *cells])
    every = measured["tables"]["edits"]
    found = {key: sum(float(row[key]) for row in every) / len(every) for key in known[1:] if every}
    found |= measured["metrics"]["edits"]
    means = [form.format(found[key]) for key, form in zip(known[1:], formats[1:], strict=True)]
    head = ["", "strength", "detection rate", "success rate", "detection rate, all", "leakage", "identity kept"]
    return table(head, [*lines, ["mean of all attributes", "", *means]])


def explained(measured: dict[str, Any], attributes: Sequence[str]) -> str:
    """Explained change of the chosen attributes, by method."""
    lines = []
    for found in measured["tables"]["methods"]:
        cells = []
        for name in attributes:
            (score,) = rows_in(
                measured, "counterfactual", attribute=name, method=found["method"], reference="reconstruction"
            )
            cells.append(f"{score['explained_change']:.2f}")
        lines.append([found["method"].replace("_", " "), *cells, f"{found['explained_change']:.2f}"])
    return table(["", *(name.replace("_", " ") for name in attributes), "mean of all attributes"], lines)


def predictions(measured: dict[str, Any]) -> str:
    """What the latents say of each attribute."""
    columns = {
        ("majority", "accuracy"): "majority",
        ("probe", "accuracy"): "probe",
        ("probe", "balanced_accuracy"): "balanced",
        ("probe", "roc_auc"): "ROC AUC",
        ("dot_product", "accuracy"): "dot product",
        ("dot_product", "balanced_accuracy"): "balanced",
        ("dot_product", "roc_auc"): "ROC AUC",
    }
    rows = measured["tables"]["predictions"]
    known = {(found["attribute"], found["predictor"], found["measure"]): found["value"] for found in rows}

    def cell(value: float | None, measure: str) -> str:
        return "" if value is None else f"{value:.3f}" if measure == "roc_auc" else f"{value:.1%}"

    lines = [
        [name.replace("_", " "), *(cell(known.get((name, *column)), column[1]) for column in columns)]
        for name in dict.fromkeys(found["attribute"] for found in rows)
    ]
    means = {column: [value for (_, *rest), value in known.items() if tuple(rest) == column] for column in columns}
    lines.append(["**mean**", *(cell(sum(values) / len(values), column[1]) for column, values in means.items())])
    return table(["", *columns.values()], lines)


def published_predictions(measured: dict[str, Any]) -> str:
    """Mean accuracies over the attributes, theirs and ours."""
    lines = [[name, f"{value:g}%"] for name, value in PUBLISHED_PREDICTIONS.items()]
    lines += [
        ["always the majority, here", f"{value_of(measured, 'summary', measure='majority_accuracy'):.1%}"],
        ["logistic regressions on the latents, here", f"{measured['metrics']['probe']['accuracy']:.1%}"],
    ]
    return table(["", "mean accuracy"], lines)


def _best_classical(measured: dict[str, Any], sigma: float = 25) -> float:
    return max(found["psnr_db"] for found in rows_in(measured, "sweep", sigma=sigma) if found["denoiser"] in CLASSICAL)


def _listed(decibels: Iterable[float]) -> str:
    """One, two and three, to two digits."""
    *most, last = (f"{value:.2f}" for value in decibels)
    return f"{', '.join(most)} and {last}"


def base(name: str) -> str:
    """What all rows of a table change, as one would type it."""
    return " ".join(f"-S {change}" for change in TABLES[name]["base"])


def page() -> str:
    """The whole page."""
    default, report, here = row("dae-default"), row("dae-report-network"), row("report-dae")
    collapsed, vae_collapsed = (
        row("report-dae-collapsed")["metrics"]["dae"],
        row("vae-report-collapsed")["metrics"]["vae"],
    )
    real, vae, weighted, on_drawn = (
        row("edits-real"),
        row("vae-default"),
        row("vae-pytorch-vae"),
        of_default("evaluate_vae"),
    )
    floor, constant_bce, constant_psnr = (
        value_of(here, "baselines", answer=answer, measure=measure)
        for answer, measure in (("clean", "bce"), ("constant_colour", "bce"), ("constant_colour", "psnr_db"))
    )
    (swept,) = rows_in(default, "sweep", sigma=25, denoiser="model")
    psnr = default["metrics"]["dae"]["psnr_db"]
    blind, longer, shipped = (row(f"photographs-dae{part}") for part in ("", "-longer", "-jpeg"))
    return TEMPLATE.format(
        photographs=photographs(),
        photographs_denoisers=photographs_denoisers(),
        base_photographs_denoiser=base("photographs_denoiser"),
        blind_below=_listed(
            denoised(row(f"photographs-dae-{sigma}"), sigma) - denoised(blind, sigma) for sigma in SIGMAS
        ),
        stored_below=_listed(
            denoised(blind, sigma) - denoised(row("photographs-dae-stored"), sigma) for sigma in SIGMAS
        ),
        longer_above=_listed(
            denoised(longer, sigma) - denoised(row("photographs-dae-stored"), sigma) for sigma in SIGMAS
        ),
        longer_25_below=f"{denoised(row('photographs-dae-longer-25'), 25) - denoised(longer, 25):.2f}",
        then_above=" and ".join(
            f"{denoised(row(f'photographs-dae-then-{sigma}'), sigma) - denoised(longer, sigma):.2f}"
            for sigma in (15, 50)
        ),
        jpeg_below=_listed(denoised(longer, sigma) - denoised(shipped, sigma) for sigma in SIGMAS),
        shipped_above=_listed(denoised(shipped, sigma) - _best_classical(shipped, sigma) for sigma in SIGMAS),
        blind_above=_listed(denoised(blind, sigma) - _best_classical(blind, sigma) for sigma in SIGMAS),
        sweep=sweep(),
        sweep_images=f"{swept['images']:.0f}",
        base_denoiser=base("denoiser"),
        training_minutes=f"{default['training_seconds'] / 60:.0f}",
        gain_classical=f"{swept['psnr_db'] - _best_classical(default):.1f}",
        gain_report=f"{psnr - report['metrics']['dae']['psnr_db']:.1f}",
        default_psnr=f"{psnr:.2f}",
        published=published(),
        published_bce=PUBLISHED_BCE,
        constant_bce=f"{constant_bce:.4f}",
        here_bce=f"{here['metrics']['dae']['bce']:.4f}",
        floor=f"{floor:.4f}",
        bce_range=f"{constant_bce - floor:.2f}",
        collapsed_psnr=f"{collapsed['psnr_db']:.2f}",
        collapsed_bce=f"{collapsed['bce']:.4f}",
        constant_psnr=f"{constant_psnr:.2f}",
        denoiser_changes=rows_of(
            "denoiser_changes",
            [("PSNR in dB", at("dae", "psnr_db")), ("SSIM", at("dae", "ssim", digits=3)), ("training s", seconds)],
        ),
        base_denoiser_changes=base("denoiser_changes"),
        base_autoencoder=base("autoencoder"),
        autoencoders=autoencoders(),
        frechet_images=f"{value_of(vae, 'summary', measure='frechet_images'):.0f}",
        frechet_train=f"{vae['metrics']['frechet']['train_images']:.3f}",
        majority=f"{value_of(vae, 'summary', measure='majority_accuracy'):.1%}",
        vae_collapsed_psnr=f"{vae_collapsed['psnr_db']:.2f}",
        vae_collapsed_active=vae_collapsed["active_dimensions"],
        weighted_kl=f"{weighted['metrics']['vae']['kl_nats']:.0f}",
        weighted_psnr=f"{weighted['metrics']['vae']['psnr_db']:.2f}",
        default_kl=f"{vae['metrics']['vae']['kl_nats']:.0f}",
        drawn=drawn(),
        drawn_edits=edits(on_drawn, DRAWN_ATTRIBUTES),
        drawn_explained=explained(on_drawn, DRAWN_ATTRIBUTES),
        drawn_methods=methods(on_drawn),
        base_edits=base("edits"),
        real_edits=edits(real, REAL_ATTRIBUTES),
        real_methods=methods(real),
        real_identity=["the judge", "a network trained on the persons of the train split"][
            int(value_of(real, "summary", measure="identity_network"))
        ],
        real_psnr=f"{real['metrics']['vae']['psnr_db']:.2f}",
        predictions=predictions(real),
        published_predictions=published_predictions(real),
    )


TEMPLATE = """\
# Results

How well the models work on real faces and on drawn ones, and what each choice brings. `docs/results.py` makes this page
from the measurements in `bench/measured/`; only the text and the figures that others published are typed.

Real faces are 9,311 images of CelebA, spread over its numbering, with CelebA's own partitions: 7,436 to train, 942 to
validate, 933 to test. Everything ran on two cores of a server processor with matrix units for bfloat16.

A row of a table is measured again by this command, with the row's name from its last column:

```console
$ python -m bench.comparison --celeba DIR dae-default
```

[bench/comparison.yaml](../bench/comparison.yaml) says which parameters each row changes. SSIM was measured before a
correction at the image's border; a row that is measured again differs by up to 0.02.

Two words are used throughout. **The report** is the student project that facevae grew out of: it denoised CelebA with a
two-layer autoencoder, trained a VAE, and made faces smile with a vector. **The judge** is the classifier of attributes
that evaluates reconstructions and edits.

## How well does the denoiser work on real faces?

Full images of 218x178 pixels; {sweep_images} unseen test images, the same in every row; noise rounded and clipped to
bytes. The classical denoisers are scikit-image's, with its recommended settings for the known sigma. The networks are
not told the sigma and were trained with sigma 25 only. So they fail at 50, unless `dae.fresh_noise` is a range.

{sweep}

Settings: `{base_denoiser}`.

The default trained for {training_minutes} minutes. On all 250 test images it reaches {default_psnr} dB at sigma 25,
{gain_report} dB more than the report's network. On the images of the table it is {gain_classical} dB above the best
classical denoiser. The best figure published for CelebA that we know of is 32.64 dB at sigma 25, under other conditions
(128 pixels).

## What went wrong in the report?

Its denoiser was trained on 600 images and tested on 400, with sigma 25, binary cross-entropy (BCE) and Adam at 0.01 for
ten epochs.

{published}

**The brown pictures.** The published {published_bce} is what a picture of one constant colour scores ({constant_bce}
here): the model had collapsed. The same settings give {here_bce} here, close to the floor of {floor}, so the network
and the loss are not the cause. A step that is too large is: with a learning rate of 0.1 we get {collapsed_bce} and
{collapsed_psnr} dB, as one colour does ({constant_psnr} dB). The ReLUs die, only the last layer's bias can still learn,
and the best bias is the mean colour. BCE hides this, because only {bce_range} nats lie between the constant colour and
the floor. That is why PSNR and SSIM are printed too, and why a training warns after each epoch that is no better than
one colour.

**A loss of -76,805,200**, the report's other figure, comes from targets outside of [0, 1]. Arrays are bytes here, so it
cannot happen.

**The autoencoder that never trained.** The report's network at 64 pixels, with Adam and BCE, trains at a learning rate
of 0.001 (row `vae-report` below). After an epoch at 0.1 it has {vae_collapsed_active} active dimensions and
{vae_collapsed_psnr} dB: every face gets the same code and the same picture, further from faces than one colour. The
training warns of this after each epoch.

## What does each choice bring to the denoiser?

About a minute of training each; 2,000 images, 100 test images, sigma 25. Settings: `{base_denoiser_changes}`.

{denoiser_changes}

This network has no normalisation. Without a limit on the gradient's norm it can diverge, as in row
`dae-fast-unclipped`; hence `dae.gradient_clip`.

## How well do the autoencoders work on real faces?

64 pixels (centred crop of 148, bilinear), 128 latent dimensions, 5 epochs of the 7,436 train images, measured on the
933 test images. Settings: `{base_autoencoder}`.

{autoencoders}

* PSNR and SSIM are those of the decoded posterior mean, per image, averaged. The KL is per image.
* `active`: latent dimensions whose posterior mean varies by more than 0.01.
* `probe`: mean accuracy, over the attributes, of a logistic regression per attribute. It is trained on the latents of
  the train images and measured on the test images. `balanced` is its balanced accuracy. Always answering the more
  frequent class scores {majority} and 50%.
* `FD`: Frechet distance in the judge's features (its last stage, averaged over places), with {frechet_images} images on
  each side at 64 pixels, and samples seeded with 0. It is not an FID, and comparable within this table only. As many
  train images score {frechet_train}. The mixture is 10 Gaussians with full covariances, fitted to a draw from each
  train image's posterior.
* PyTorch-VAE's weight of the KL leaves {weighted_kl} nats in the latents (the default {default_kl}), hence the
  {weighted_psnr} dB: that weight is the blur that VAEs are known for. Its own VanillaVAE, with its own defaults and
  measured in the same way, reached 18.13 dB and a probe of 83.6% (balanced 56.2%).
* LPIPS (`evaluate_vae.lpips`) and Hou's loss (`python -m facevae.app.presets dfc`) need weights that torchvision
  downloads. They were not run here.

## Which settings trained the models for photographs?

128 pixels, 14,978 images to train, 1,830 to validate, 1,858 to test. Each row changes the settings
[`photographs`](../settings/photographs.yaml), which trained the models [that come with facevae](models.md). The
networks were trained on one NVIDIA H200 in bfloat16, each in less than six minutes; two cores take hours. They were
also measured there, except `photographs-vae` and `photographs-vae-128`, whose weights were measured on a CPU later
(`python -m bench.tries`), and rows that begin with other weights, which were fine-tuned on two cores and measured in
the same way. [models.md](models.md) says how. An empty cell was not measured.

{photographs}

* `validation error`: mean squared error per value, by which the settings were chosen. The other columns are of test
  images. At crop 178 the pixels are others, with more background.
* `FD`: as above, of 1,000 images on each side, in the features of a judge at 128 pixels. The row with crop 178 has a
  judge of its own.
* 200 dimensions reconstruct better than 128, and the probe reads slightly more. With a feature weight of 2 and more
  epochs the probe of 128 dimensions reads more still; 200 dimensions were not tried with these.
* The last row is what comes with facevae. Its latents carry a third more nats; how dimensions, attributes and the
  longer training share what they brought was not measured apart.

Denoisers of whole images, PSNR in dB, of 64 images that were not used in training. The figures of models.md are of
other images and 0.2 to 0.3 dB higher. Settings: `{base_photographs_denoiser}`.

{photographs_denoisers}

* The one for sigma 5 to 55 is {blind_below} dB below those trained for sigma 15, 25 and 50 alone, and
  {blind_above} dB above the best classical denoiser.
* It removed little of the noise in JPEGs and black-and-white photographs ([editing.md](editing.md)). The fine-tuning
  for that cost {stored_below} dB in this noise, which differs from colour to colour.
* 70 epochs more, with the PSNR as the loss, brought {longer_above} dB. The same 70 epochs for sigma 25 alone end
  {longer_25_below} dB higher at sigma 25. 10 epochs more for sigma 15 or 50 alone bring {then_above} dB.
* The last fine-tuning, for what JPEG does to noise, cost {jpeg_below} dB here. What comes with facevae is
  {shipped_above} dB above the best classical denoiser.

## Do edits of real faces do what they should?

The default's networks at 64 pixels ({real_psnr} dB), 7 epochs of 7,436 images, edits of test images. Settings:
`{base_edits}`.

{real_edits}

* `strength`: the recommended strength. It is the smallest at which the judge sees the attribute on 85% of validation
  faces (98% by default), or else the one at which it sees the attribute most often. At strength 1 a face changes as
  much as typical faces with and without the attribute differ.
* `detection rate`: share of the edited faces on which the judge sees the attribute; none of them had it before.
* `success rate`: the same, among faces on whose reconstruction the judge did not see it.
* `leakage`: mean absolute change of the judge's probabilities of the other attributes.
* `detection rate, all`: the detection rate on all faces. The other columns leave out faces of a sex that fewer than 1
  in 100 images with the attribute show: a judge that has never seen a woman with a mustache does not recognise one.
* `identity kept`: 1 + cos(face, edit) - cos(face, reconstruction), between embeddings by {real_identity}. (This
  network, from stage train_identity, tells two images of one unseen person from two persons' with an ROC AUC of 0.83.)

Methods of finding the vectors, as means over all attributes at two strengths. `ROC AUC` is that of the dot product of
latents and vector (White 2016's AtDot):

{real_methods}

## Which attributes can be read from the latents?

The same autoencoder, on test images. `probe` is a logistic regression per attribute on the latents, trained on the
train images (Hou et al. 2017 have an SVM). `dot product` is that with the vector that edits use, with the threshold of
the best balanced accuracy on the validation images. Plain accuracy flatters: `majority` always answers the more
frequent class.

{published_predictions}

The published figures are for all 19,962 test images, after training on all of CelebA; ours are for 933 images, after
training on 7,436.

{predictions}

## How well does the default work on drawn faces?

What `make repro` makes, on faces that were not used in training:

{drawn}

Edits at the recommended strengths. The columns are those above; persons are compared by the judge, since no one is
drawn twice.

{drawn_edits}

**Explained change.** A drawn face can be drawn again with one attribute switched, so the true change is known. The
table shows how much of the change between the two reconstructions an edit of strength 1 explains: 1 is the true change,
0 is as good as no edit.

{drawn_explained}

{drawn_methods}

The mean difference takes with it whatever is correlated with an attribute. `balanced` weighs faces until the groups
agree in all other attributes, as far as they can. The regression holds the other attributes still, but it is noisy;
`empirical bayes` removes most of the noise, and therefore is the default.
"""

if __name__ == "__main__":
    main()
