"""How long finding attribute vectors takes, by method, on made-up latents of CelebA's number.

python -m bench.vectors
"""

import time
from typing import Annotated

import torch
import typer

from facevae.core.command import run
from facevae.latents.attribute_vectors import estimate
from facevae.latents.vectors import METHODS


def main(
    images: Annotated[int, typer.Option(min=100, help="How many latents.")] = 200_000,
    dimensions: Annotated[int, typer.Option(min=1, help="Of a latent.")] = 128,
    attributes: Annotated[int, typer.Option(min=1, help="How many attributes.")] = 40,
    threads: Annotated[int, typer.Option(min=1, help="PyTorch's.")] = 2,
) -> None:
    """Print the seconds that each method takes: latents that depend on correlated labels, rates as CelebA's."""
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    rates = torch.linspace(0.02, 0.8, attributes)
    common = torch.rand(images, 1, generator=generator)
    labels = (0.5 * common + 0.5 * torch.rand(images, attributes, generator=generator) < rates).long()
    latents = labels.float() @ torch.randn(attributes, dimensions, generator=generator)
    latents += torch.randn(images, dimensions, generator=generator) * torch.linspace(4, 0.5, dimensions)
    print(f"{images} latents of {dimensions} dimensions, {attributes} attributes, {threads} threads")
    for method in METHODS:
        begin = time.monotonic()
        estimate(method, 0.01, latents, labels)
        print(f"{method:18} {time.monotonic() - begin:6.1f} s", flush=True)


if __name__ == "__main__":
    run(main)
