"""The pictures that README.md shows: those in results/, made small enough for Git. Run by `make pictures`."""

from pathlib import Path

from PIL import Image

WIDTH = 900
PICTURES = {
    "data": "results/data/pictures/faces.png",
    "denoised": "results/evaluate_dae/denoised.png",
    "smiling": "results/evaluate_vae/pictures/Smiling.png",
    "eyeglasses": "results/evaluate_vae/pictures/Eyeglasses.png",
}

for name, source in PICTURES.items():
    picture = Image.open(source).convert("RGB")
    picture.thumbnail((WIDTH, picture.height), Image.Resampling.LANCZOS)
    target = Path(__file__).parent / "pictures" / f"{name}.jpg"
    target.parent.mkdir(exist_ok=True)
    picture.save(target, quality=85)
    print(target)
