"""Stage report_data: the data in figures and pictures, before anything learns from them."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import Params


def main(
    params: Params = Path("params.yaml"),
    data: Annotated[Path, typer.Option(help="The folder with the stages' data.")] = Path("data"),
    results: Annotated[Path, typer.Option(help="The folder for the results.")] = Path("results/data"),
) -> None:
    """Describe the data: counts, rates and correlations of the attributes, sizes, and what two splits share.

    It checks the attributes that other sections name, and says what is unusual, before anything is trained.

    Inputs: in data/raw img_align_celeba.zip, list_attr_celeba.txt, list_eval_partition.txt, identity_CelebA.txt,
    list_landmarks_align_celeba.txt and skipped.csv; data/dae/images.zip, noisy.zip and arrays; data/vae/images.zip and
    arrays.

    Outputs, in results/data: metrics.json; summary.csv (counts, brightness, the distance of the eyes); attributes.csv
    (the share of images that have each attribute, of all and in each split), correlations.csv (phi coefficients of any
    two attributes), sizes.csv, skipped.csv (images that were left out, and why), repeated.csv (images whose pixels
    stand in two splits); pictures/: faces.png (the same faces
    raw, padded, noisy and cropped), attributes.png and correlations.png.

    Parameters: report_data (faces: how many faces.png shows); the attributes that are named in attribute_vectors
    (conditional, context), explore_latents (attribute) and evaluate_vae (attributes).
    """
    from facevae.celeba.tables import IMAGES, SKIPPED
    from facevae.core.files import atomic_folder, atomic_write, write_json
    from facevae.core.params import load_section
    from facevae.core.tables import write_table
    from facevae.data.arrays import open_dae, open_vae
    from facevae.figures.data import draw_contact_sheet, draw_correlations, draw_rates
    from facevae.imaging.archive import open_archive
    from facevae.preparation.named_attributes import EditedNames, ExploredName, VectorNames, check_names
    from facevae.preparation.remarks import remarks
    from facevae.preparation.report_data import REPEATED_COLUMNS, ReportSettings, describe_data

    settings = load_section(params, "report_data", ReportSettings)
    dae, vae = open_dae(data / "dae/arrays"), open_vae(data / "vae/arrays")
    edited = load_section(params, "evaluate_vae", EditedNames)
    explored = load_section(params, "explore_latents", ExploredName)
    check_names(vae, load_section(params, "attribute_vectors", VectorNames), explored, edited)
    with (
        open_archive(data / "raw" / IMAGES) as raw,
        open_archive(data / "dae/images.zip") as padded,
        open_archive(data / "dae/noisy.zip") as noisy,
        open_archive(data / "vae/images.zip") as cropped,
    ):
        archives = {"raw": raw, "padded": padded, "noisy": noisy, "cropped": cropped}
        report = describe_data(data / "raw", archives, dae, vae)
        with atomic_folder(results / "pictures") as pictures:
            images = report.metrics["images"]
            draw_contact_sheet(pictures / "faces.png", archives, settings.faces)
            draw_rates(pictures / "attributes.png", report.attributes, images)
            draw_correlations(pictures / "correlations.png", report.correlations, report.varying, images)
    write_json(results / "metrics.json", {"data": report.metrics})
    write_table(results / "summary.csv", report.summary)
    columns = list(report.attributes[0]) if report.attributes else ["attribute", "rate"]
    write_table(results / "attributes.csv", report.attributes, columns, unknown=columns[1:])
    write_table(results / "repeated.csv", report.repeated, REPEATED_COLUMNS)
    write_table(results / "sizes.csv", report.sizes)
    write_table(results / "correlations.csv", report.correlation_rows(), ["attribute", *report.varying])
    with atomic_write(results / SKIPPED) as temporary:
        shutil.copyfile(data / "raw" / SKIPPED, temporary)
    made = "metrics.json, summary, attributes, correlations, sizes, skipped and repeated.csv, pictures/"
    print(f"{results}: {made}", *remarks(report, vae), sep="\n")


if __name__ == "__main__":
    run(main)
