"""The pictures that README.md shows: those in results/, made small enough for Git. Run by `make pictures`."""

from pathlib import Path

from PIL import Image

WIDTH = 900
# Sheets of eight faces whose second four stand below the first: README shows the first.
TWO_BANDS = {"data", "denoised"}
PICTURES = {
    "data": "results/data/pictures/faces.png",
    "denoised": "results/evaluate_dae/denoised.png",
    "smiling": "results/evaluate_vae/pictures/Smiling.png",
    "eyeglasses": "results/evaluate_vae/pictures/Eyeglasses.png",
}

for name, source in PICTURES.items():
    picture = Image.open(source).convert("RGB")
    if name in TWO_BANDS:
        picture = picture.crop((0, 0, picture.width, picture.height // 2))
    picture.thumbnail((WIDTH, picture.height), Image.Resampling.LANCZOS)
    target = Path(__file__).parent / "pictures" / f"{name}.jpg"
    target.parent.mkdir(exist_ok=True)
    picture.save(target, quality=85)
    print(target)
