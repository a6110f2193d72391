"""The pictures in README.md and docs/: parts of the sheets in results/, with labels that are legible at a page's width.

Run by `make pictures`, or `python docs/pictures.py FOLDER` to read another folder than results/.
"""

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

TARGET = Path(__file__).parent / "pictures"
WIDTH = 900
GAP = 4  # between tiles, here and in the sheets of facevae/figures/base.py
TITLE = 30  # height of the titles above columns
FONT = 20
WHITE = (255, 255, 255)


class Sheet:
    """A sheet in results/, as facevae/figures/base.py lays it out.

    `left` and `top` are the pixels before the first tile, which row and column titles take; `bands` is how often all
    rows are repeated, with 16 pixels between.
    """

    def __init__(self, path: Path, columns: int, rows: int, left: int, top: int, bands: int = 1) -> None:
        self.image = Image.open(path).convert("RGB")
        self.left, self.top = left, top
        self.across = (self.image.width - left) // columns
        band = (self.image.height - GAP + 16) // bands - 16 if bands > 1 else self.image.height - GAP
        self.down = (band - (top - GAP)) // rows

    def tile(self, row: int, column: int) -> Image.Image:
        """One image, without the white around an image smaller than its tile."""
        x, y = self.left + column * self.across, self.top + row * self.down
        tile = self.image.crop((x, y, x + self.across - GAP, y + self.down - GAP))
        return tile.crop(ImageChops.difference(tile, Image.new("RGB", tile.size, WHITE)).getbbox())


def compose(
    name: str,
    rows: Sequence[Sequence[Image.Image]],
    height: int,
    row_titles: Sequence[str] = (),
    column_titles: Sequence[str] = (),
    left: int = 0,
) -> None:
    """Write docs/pictures/NAME.jpg: images scaled to `height` at most, each column as wide as its widest image.

    Row titles are horizontal, in the `left` pixels before the images; what is wider than WIDTH is an error.
    """
    scaled = [[_scaled(image, height) for image in row] for row in rows]
    widths = [max(row[column].width for row in scaled) for column in range(len(scaled[0]))]
    heights = [max(image.height for image in row) for row in scaled]
    top = TITLE if column_titles else 0
    width = left + sum(widths) + GAP * (len(widths) - 1)
    if width > WIDTH:
        raise ValueError(f"{name}: expected at most {WIDTH} pixels across, found {width}; show fewer columns")
    canvas = Image.new("RGB", (width, top + sum(heights) + GAP * (len(heights) - 1)), WHITE)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(FONT)
    y = top
    for number, row in enumerate(scaled):
        if row_titles:
            draw.multiline_text((0, y + heights[number] // 2), row_titles[number], "black", font, anchor="lm")
        x = left
        for column, image in enumerate(row):
            canvas.paste(image, (x + (widths[column] - image.width) // 2, y + (heights[number] - image.height) // 2))
            if column_titles and number == 0:
                draw.text((x + widths[column] // 2, top // 2), column_titles[column], "black", font, anchor="mm")
            x += widths[column] + GAP
        y += heights[number] + GAP
    TARGET.mkdir(exist_ok=True)
    canvas.save(TARGET / f"{name}.jpg", quality=88)
    print(TARGET / f"{name}.jpg", canvas.size)


def _scaled(image: Image.Image, height: int) -> Image.Image:
    if image.height <= height:
        return image
    return image.resize((round(image.width * height / image.height), height), Image.Resampling.LANCZOS)


def edits(results: Path) -> None:
    """The same faces, with a smile and with glasses: the edits of the photographs that `facevae edit` makes."""
    sheet = Sheet(results / "evaluate_vae/pictures/ways.png", columns=8, rows=12, left=30, top=36)
    # Three rows for each attribute: faces without it, plain edits, residual edits. Few faces lack both attributes.
    glasses = {sheet.tile(3, column).tobytes(): column for column in range(8)}
    both = [(column, glasses[face]) for column in range(8) if (face := sheet.tile(0, column).tobytes()) in glasses][:6]
    rows = [
        [sheet.tile(0, column) for column, _ in both],
        [sheet.tile(2, column) for column, _ in both],
        [sheet.tile(5, column) for _, column in both],
    ]
    compose("edits", rows, 128, ["original", "Smiling", "Eyeglasses"], left=112)


def strengths(results: Path) -> None:
    """Two attributes at rising strengths, as the autoencoder decodes them."""
    columns = {0: "face", 1: "decoded", 3: "0.5", 4: "1", 5: "1.5", 6: "2"}
    paths = [results / f"evaluate_vae/pictures/{name}.png" for name in ("Smiling", "Eyeglasses")]
    # As many columns of 128 pixels as the width has: those that suit the attribute stand last.
    sheets = [Sheet(path, columns=Image.open(path).width // 132, rows=8, left=4, top=58) for path in paths]
    rows = [[sheet.tile(row, column) for column in columns] for sheet in sheets for row in (3, 7)]
    compose("strengths", rows, 128, ["Smiling", "", "Eyeglasses", ""], list(columns.values()), left=112)


def maps(results: Path) -> None:
    """Where attributes show in the train images."""
    sheet = Image.open(results / "attribute_vectors/maps.png").convert("RGB")
    sheet = sheet.resize((WIDTH, round(sheet.height * WIDTH / sheet.width)), Image.Resampling.LANCZOS)
    sheet.save(TARGET / "maps.jpg", quality=88)
    print(TARGET / "maps.jpg", sheet.size)


def denoised(results: Path) -> None:
    """Clean, noisy, denoised."""
    sheet = Sheet(results / "evaluate_dae/denoised.png", columns=4, rows=3, left=30, top=4, bands=2)
    rows = [[sheet.tile(row, column) for column in range(4)] for row in range(3)]
    compose("denoised", rows, 176, ["clean", "noisy", "denoised"], left=100)


def data(results: Path) -> None:
    """The same faces at each step of the preparation."""
    sheet = Sheet(results / "data/pictures/faces.png", columns=4, rows=4, left=30, top=26, bands=2)
    rows = [[sheet.tile(row, column) for column in range(1, 4)] for row in range(4)]
    titles = ["raw\n178 x 218", "padded\n180 x 220", "noisy\n180 x 220", "cropped\n64 x 64"]
    compose("data", rows, 200, titles, left=120)


def aligned(results: Path) -> None:
    """Faces found in larger pictures, and brought to the frame of the training images."""
    sheet = Sheet(results / "evaluate_aligner/found.png", columns=2, rows=3, left=30, top=4, bands=3)
    rows = [[sheet.tile(row, column) for row in (0, 1)] for column in (0, 1)]
    compose("aligned", rows, 300, column_titles=["picture, and the frame found", "the face in its frame"])


def photograph(results: Path) -> None:
    """A public-domain photograph, edited by the models that come with facevae, at its own size; `results` is not read.

    NASA's portrait of Eileen Collins, as scikit-image ships it.
    """
    from skimage.data import astronaut

    import facevae

    shown = Image.fromarray(astronaut())
    portrait = facevae.load("celeba", "cpu").open(shown)
    edits = {"photograph": {}, "Smiling=-1": {"Smiling": -1.0}, "Heavy_Makeup=2": {"Heavy_Makeup": 2.0},
             "Blond_Hair=1.5": {"Blond_Hair": 1.5}, "Mustache=3": {"Mustache": 3.0},
             "Eyeglasses=1.5": {"Eyeglasses": 1.5}}  # fmt: skip
    tiles = [(portrait.edit(changes) if changes else shown).crop((96, 0, 376, 230)) for changes in edits.values()]
    names = list(edits)
    rows = [tiles[:3], tiles[3:]]
    for row, half in zip(rows, (names[:3], names[3:]), strict=True):
        for image, name in zip(row, half, strict=True):
            ImageDraw.Draw(image).text((8, 208), name, "white", ImageFont.load_default(16), stroke_width=2,
                                       stroke_fill="black")  # fmt: skip
    compose("photograph", rows, 230)


def noisy_photographs(results: Path) -> None:
    """That portrait with noise, as a JPEG and in black and white, and without it again; `results` is not read."""
    from skimage.data import astronaut

    import facevae

    shown, faces = Image.fromarray(astronaut()).crop((112, 0, 332, 220)), facevae.load("celeba", "cpu")
    tiles = []
    for clean, kind in ((shown, "JPEG"), (shown.convert("L"), "PNG")):
        noise = np.random.default_rng(0).normal(0, 25, np.shape(clean))
        file = io.BytesIO()
        Image.fromarray((clean + noise).round().clip(0, 255).astype(np.uint8)).save(file, kind, quality=90)
        tiles += [Image.open(file), faces.denoise(file.getvalue())]
    titles = ["JPEG", "denoised", "black and white", "denoised"]
    compose("noisy_photographs", [[tile.convert("RGB") for tile in tiles]], 220, column_titles=titles)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    for picture in (edits, strengths, maps, denoised, data, aligned, photograph, noisy_photographs):
        picture(folder)
