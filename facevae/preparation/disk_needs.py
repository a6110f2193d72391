"""What the whole pipeline's data will take on the disk, told before the first byte is fetched."""

from pathlib import Path

from facevae.celeba.splits import DaeCache, VaeCache
from facevae.core.params import load_section
from facevae.jobs.disk import format_bytes, free_space
from facevae.preparation.crop_settings import DaeCrop, VaeCrop


def data_needs(params: Path, images: int, raw_bytes: int, size: tuple[int, int]) -> int:
    """Bytes of all data from so many raw images of `size` pixels, which are `raw_bytes`, with these parameters.

    Packed images and arrays are uncompressed. DVC's cache keeps each file once more.
    """
    dae_images, vae_images = (
        load_section(params, "crop_pad.dae", DaeCrop),
        load_section(params, "crop_pad.vae", VaeCrop),
    )
    dae_rows = load_section(params, "cache_arrays.dae", DaeCache).images
    vae_rows = load_section(params, "cache_arrays.vae", VaeCache).images

    def bytes_of(asked: int | None, width: int, height: int) -> int:
        return (images if asked is None else min(asked, images)) * width * height * 3

    padded = [side + 2 * dae_images.pad for side in size]
    square = vae_images.size, vae_images.size
    dae = 2 * (bytes_of(dae_images.images, *padded) + bytes_of(dae_rows or dae_images.images, *padded))
    vae = bytes_of(vae_images.images, *square) + bytes_of(vae_rows or vae_images.images, *square)
    return 2 * (raw_bytes + dae + vae)


def tell_needs(params: Path, folder: Path, images: int, raw_bytes: int, size: tuple[int, int]) -> None:
    """Print what the data will take and what is free; a warning if that is less."""
    needs, free = data_needs(params, images, raw_bytes, size), free_space(folder)
    line = (
        f"{images:,} images: the data take about {format_bytes(needs)}, with DVC's cache; {format_bytes(free)} are free"
    )
    if free < needs:
        line = f"warning: {line}: free some, or ask for fewer or smaller images (crop_pad and cache_arrays)"
    print(line, flush=True)
