import ast
import functools
import hashlib
from pathlib import Path

import numpy as np
import pytest

from facevae.celeba.attributes import ATTRIBUTES
from facevae.core.errors import FacevaeError
from facevae.drawing import attributes as face_attributes
from facevae.drawing import draw as faces

HERE = Path(faces.__file__).parent
MODULES = sorted(path for path in HERE.glob("*.py") if path.stem != "__init__")

# SHA-256 of the pixels: the same on every machine. They change only when the drawing is meant to change.
GOLDEN = {
    (0, 0): "7d0db78f14b0b6ec357b767da11d9a4da1021ec1a8012cc0f799a656c18c9419",
    (0, 1): "703cb455e5c70061a13818fd0acb0070804ad121c9a04ac704a346e3d981c672",
    (7, 123): "ed55b25263d748dae22ed6fe786b0a66edd673cd48211ba7f9f312c24fca419c",
    (1, 199_999): "30efc3c1fa49f424da148bc6979d5aa78ae1221762e0c3a4e01e51f1540ccf5a",
    (0, 651): "2a18b36e4ab0455533c51f658902ce207df68145c6ba012298b3c1ed307e72e4",
    (0, 250): "0ae68efbe35d5415faf2f1ab23f7abf76bbc3a385698aa29b5dc79dbfa185fa4",
    (0, 385): "7616744c408a897ec8f4ee380494b6c7eb843a9f422dd771425ad4419edfa13c",
    (0, 3630): "e5dc35d3b41b40c368a711ed30a1bebd51a8bc857a3f5832a39e735ba5a1c96c",
}


def digest(image: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def draw_sampled(seed: int, number: int) -> np.ndarray:
    return faces.draw(seed, number, faces.sample_attributes(seed, number))


SEED = 3
sample = functools.cache(functools.partial(faces.sample_attributes, SEED))


@functools.cache
def changes(name: str, count: int = 3) -> tuple[np.ndarray, ...]:
    """Largest change of each pixel, (218, 178) grey levels, on the first faces that can switch `name`."""
    differences = []
    for number in range(1000):
        attributes = sample(number)
        if "Blurry" not in attributes and faces.can_switch(attributes, name):
            before = faces.draw(SEED, number, attributes).astype(int)
            after = faces.draw(SEED, number, faces.switch(attributes, name)).astype(int)
            differences.append(np.abs(after - before).max(axis=2))
            if len(differences) == count:
                return tuple(differences)
    raise AssertionError(f"{name} can be switched on {len(differences)} of 1000 faces only")


@pytest.fixture(scope="module")
def sampled() -> list[frozenset[str]]:
    return [faces.sample_attributes(5, number) for number in range(4000)]


def share(sets, name: str, given: str = "") -> float:
    """Share of sets with `name` among those in which each word of `given` holds ("!" before a word: is absent)."""
    among = [s for s in sets if all((w.lstrip("!") in s) != w.startswith("!") for w in given.split())]
    return sum(name in s for s in among) / len(among)


# --- drawing ----------------------------------------------------------------------------------------------------------


def test_a_face_is_an_rgb_image_of_celebas_size():
    image = draw_sampled(0, 0)
    assert image.shape == (218, 178, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous


def test_the_same_face_has_the_same_bytes():
    first = draw_sampled(2, 9)
    draw_sampled(2, 10)  # another face between must leave no trace
    assert digest(draw_sampled(2, 9)) == digest(first)


@pytest.mark.parametrize(("face", "expected"), GOLDEN.items())
def test_faces_have_the_bytes_that_every_machine_draws(face, expected):
    assert digest(draw_sampled(*face)) == expected


def test_identities_differ():
    attributes = {"Young", "No_Beard"}
    images = {digest(faces.draw(seed, number, attributes)) for seed in (0, 1) for number in range(4)}
    assert len(images) == 8


def test_the_order_of_attributes_does_not_matter():
    assert digest(faces.draw(0, 0, ["Smiling", "Young", "No_Beard"])) == digest(
        faces.draw(0, 0, ("No_Beard", "Smiling", "Young"))
    )


def test_attractive_is_never_drawn():
    assert "Attractive" not in faces.DRAWN
    assert digest(faces.draw(0, 0, {"Attractive"})) == digest(faces.draw(0, 0, set()))


def test_eyes_and_mouth_are_where_celeba_has_them():
    """The darkest place near each eye is its pupil; lipstick is reddest at the mouth."""
    for number in range(5):
        image = faces.draw(4, number, {"Young", "No_Beard", "Wearing_Lipstick"}).astype(int)
        for x in (69, 109):
            around = image[99:124, x - 14 : x + 15].sum(axis=2)
            row, column = np.unravel_index(around.argmin(), around.shape)
            assert abs(row + 99 - 111) <= 7
            assert abs(column - 14) <= 12
        redness = (image[..., 0] - image[..., 1])[130:175, 60:120]
        rows = np.nonzero(redness > np.quantile(redness, 0.97))[0] + 130
        assert abs(np.median(rows) - 152) <= 5


# --- attributes in the picture ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", faces.DRAWN)
def test_every_drawn_attribute_can_be_seen(name):
    for difference in changes(name):
        assert (difference > 8).sum() >= 40, f"{name} changes too little"


# Rows and columns outside which a switched attribute must leave every pixel as it was.
REGIONS = {
    "Eyeglasses": (slice(84, 138), slice(20, 158)),
    "Smiling": (slice(90, 182), slice(35, 145)),
    "Mouth_Slightly_Open": (slice(128, 182), slice(50, 130)),
    "Wearing_Lipstick": (slice(128, 182), slice(50, 130)),
    "Big_Lips": (slice(128, 182), slice(50, 130)),
    "Mustache": (slice(125, 170), slice(50, 130)),
    "Goatee": (slice(130, 200), slice(40, 140)),
    "Bangs": (slice(25, 115), slice(25, 155)),
    "Wearing_Hat": (slice(0, 125), slice(0, 178)),
    "Wearing_Necklace": (slice(165, 218), slice(30, 150)),
    "Wearing_Necktie": (slice(165, 218), slice(0, 178)),
    "Wearing_Earrings": (slice(120, 175), slice(25, 155)),
    "Rosy_Cheeks": (slice(105, 165), slice(30, 150)),
    "Arched_Eyebrows": (slice(75, 118), slice(35, 145)),
    "Narrow_Eyes": (slice(90, 130), slice(40, 140)),
    "Bags_Under_Eyes": (slice(100, 135), slice(40, 140)),
    "Big_Nose": (slice(80, 160), slice(50, 130)),
    "Double_Chin": (slice(140, 218), slice(25, 155)),
}


@pytest.mark.parametrize("name", REGIONS)
def test_an_attribute_changes_its_own_region_only(name):
    rows, columns = REGIONS[name]
    for difference in changes(name):
        assert difference[rows, columns].any()
        outside = difference.copy()
        outside[rows, columns] = 0
        assert not outside.any(), f"{name} changed {np.argwhere(outside)[0]} (row, column)"


@pytest.mark.parametrize("name", [name for name in faces.DRAWN if name not in ("Blurry", "Male", "Young")])
def test_background_corners_do_not_depend_on_attributes(name):
    for difference in changes(name):
        assert not difference[:8, :20].any()
        assert not difference[:8, -20:].any()


def test_a_smile_shows_in_64_pixels():
    """The mouth's region changes much more than the rest even when the picture is made small."""
    for number in range(6):
        base = frozenset({"Young", "No_Beard"})
        small = [
            faces.draw(8, number, attributes)[:216, :176].reshape(54, 4, 44, 4, 3).astype(float).mean(axis=(1, 3))
            for attributes in (base, base | {"Smiling"})
        ]
        difference = np.abs(small[1] - small[0]).max(axis=2)
        assert difference[36:41, 17:27].max() > 40
        assert (difference > 15).sum() >= 12


# --- sampling ---------------------------------------------------------------------------------------------------------

# CelebA's own rates, from all 202,599 rows of list_attr_celeba.txt.
CELEBA = {
    "Male": 0.417, "Young": 0.774, "Smiling": 0.482, "Mouth_Slightly_Open": 0.483, "High_Cheekbones": 0.455,
    "Black_Hair": 0.239, "Blond_Hair": 0.148, "Brown_Hair": 0.205, "Gray_Hair": 0.042, "Bangs": 0.152,
    "Receding_Hairline": 0.080, "Straight_Hair": 0.208, "Wavy_Hair": 0.320, "Eyeglasses": 0.065, "Wearing_Hat": 0.048,
    "Mustache": 0.042, "Goatee": 0.063, "Sideburns": 0.057, "No_Beard": 0.835, "5_o_Clock_Shadow": 0.111,
    "Wearing_Lipstick": 0.472, "Heavy_Makeup": 0.387, "Rosy_Cheeks": 0.066, "Pale_Skin": 0.043, "Big_Nose": 0.235,
    "Pointy_Nose": 0.277, "Big_Lips": 0.241, "Arched_Eyebrows": 0.267, "Bushy_Eyebrows": 0.142, "Narrow_Eyes": 0.115,
    "Bags_Under_Eyes": 0.205, "Oval_Face": 0.284, "Wearing_Earrings": 0.189, "Wearing_Necklace": 0.123,
    "Wearing_Necktie": 0.073, "Blurry": 0.051,
}  # fmt: skip


@pytest.mark.parametrize("name", CELEBA)
def test_rates_are_celebas(sampled, name):
    assert share(sampled, name) == pytest.approx(CELEBA[name], abs=0.03)


def test_nothing_drawn_is_too_rare_to_learn(sampled):
    assert {name: share(sampled, name) for name in faces.DRAWN if share(sampled, name) < 0.03} == {}


def test_every_attribute_but_attractive_has_a_rate():
    assert set(face_attributes.RATES) == set(faces.DRAWN) == set(ATTRIBUTES) - {"Attractive"}
    assert len(faces.DRAWN) == 39


def test_rates_name_only_attributes_decided_before():
    seen = set()
    for name, rows in face_attributes.RATES.items():
        for condition, rate in rows:
            assert {word.lstrip("!") for word in condition.split()} <= seen, name
            assert 0 <= rate <= 1
        assert rows[-1][0] == "", f"{name} needs a row that always holds"
        seen.add(name)


def test_correlations_are_celebas(sampled):
    assert share(sampled, "Wearing_Lipstick", "Male") < 0.05
    assert share(sampled, "Wearing_Lipstick", "!Male") == pytest.approx(0.81, abs=0.04)
    assert share(sampled, "Mouth_Slightly_Open", "Smiling") > share(sampled, "Mouth_Slightly_Open", "!Smiling") + 0.4
    assert share(sampled, "High_Cheekbones", "Smiling") > share(sampled, "High_Cheekbones", "!Smiling") + 0.4
    assert share(sampled, "Gray_Hair", "!Young") > 10 * share(sampled, "Gray_Hair", "Young")
    assert share(sampled, "Bald", "!Young") > share(sampled, "Bald", "Young")
    assert share(sampled, "Male", "!No_Beard") == 1.0
    assert share(sampled, "Smiling", "Male") == pytest.approx(0.40, abs=0.05)


def test_sampled_sets_are_consistent(sampled):
    colours = {"Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"}
    for attributes in sampled:
        assert faces.is_consistent(attributes)
        assert len(attributes & colours) <= 1
        assert not {"Bald", "Bangs"} <= attributes
        assert not {"Wearing_Hat", "Bangs"} <= attributes
        assert not {"Straight_Hair", "Wavy_Hair"} <= attributes
        assert not ({"Goatee", "Mustache", "Sideburns"} & attributes and "No_Beard" in attributes)
        assert "Attractive" not in attributes


def test_sampling_depends_on_seed_and_number_alone():
    assert faces.sample_attributes(1, 2) == faces.sample_attributes(1, 2)
    assert (
        len({faces.sample_attributes(1, n) for n in range(50)} | {faces.sample_attributes(2, n) for n in range(50)})
        > 90
    )


# --- switching --------------------------------------------------------------------------------------------------------


def test_switching_twice_gives_the_same_set(sampled):
    for attributes in sampled[:300]:
        for name in faces.DRAWN:
            if faces.can_switch(attributes, name):
                switched = faces.switch(attributes, name)
                assert switched ^ attributes == {name}
                assert faces.is_consistent(switched)
                assert faces.can_switch(switched, name)
                assert faces.switch(switched, name) == attributes


@pytest.mark.parametrize(
    ("attributes", "name", "possible"),
    [
        ({"No_Beard", "Young"}, "Smiling", True),
        ({"No_Beard", "Young", "Smiling"}, "Smiling", True),
        ({"No_Beard", "Wearing_Hat"}, "Bangs", False),  # under the hat
        ({"No_Beard", "Black_Hair"}, "Blond_Hair", False),
        ({"No_Beard", "Black_Hair"}, "Black_Hair", True),
        ({"No_Beard"}, "Mustache", False),  # not a man
        ({"Male", "No_Beard"}, "Mustache", False),  # No_Beard would have to change too
        ({"Male"}, "Mustache", True),
        ({"Male", "Mustache"}, "No_Beard", False),
        ({"Male"}, "Male", False),  # a beard is male
        ({"No_Beard"}, "Male", True),
        ({"Male", "No_Beard", "Bald"}, "Brown_Hair", False),
        ({"No_Beard"}, "Attractive", False),
    ],
)
def test_can_switch(attributes, name, possible):
    assert faces.can_switch(frozenset(attributes), name) is possible


def test_switching_what_cannot_be_switched_is_an_error():
    with pytest.raises(FacevaeError, match="Bangs alone can change"):
        faces.switch(frozenset({"No_Beard", "Wearing_Hat"}), "Bangs")


@pytest.mark.parametrize(
    "call",
    [
        lambda: faces.draw(0, 0, {"Smilling"}),
        lambda: faces.can_switch(frozenset(), "Smilling"),
        lambda: faces.switch(frozenset({"Smilling"}), "Young"),
    ],
)
def test_an_unknown_name_is_an_error_that_says_what_to_do(call):
    with pytest.raises(
        FacevaeError, match=r"facevae\.drawing\.draw\..*expected names of CelebA's 40.*Smilling.*ATTRIBUTES"
    ):
        call()


# --- same bytes everywhere --------------------------------------------------------------------------------------------

# numpy functions whose results are rounded the same on every CPU, or that only move, compare or count.
EXACT = {
    "abs", "arange", "asarray", "ascontiguousarray", "clip", "copyto", "empty", "empty_like", "float32", "floor",
    "int32", "maximum", "minimum", "multiply", "ndarray", "random", "sqrt", "stack", "uint8", "where", "zeros_like",
}  # fmt: skip
REDUCTIONS = {"sum", "mean", "std", "var", "prod", "cumsum", "dot", "trace"}


def numpy_names(tree: ast.AST) -> set[str]:
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np"
    }


def offences(source: str) -> set[str]:
    """What in `source` may round differently from machine to machine."""
    tree = ast.parse(source)
    found = numpy_names(tree) - EXACT
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in REDUCTIONS:
            found.add(node.attr)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.MatMult):
            found.add(type(node.op).__name__)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numpy"):
            found.add(f"from {node.module}")
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found |= {name for name in names if name.split(".")[0] in ("torch", "scipy")}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_only_arithmetic_that_every_cpu_rounds_alike(path):
    assert offences(path.read_text()) == set()


def test_the_renderer_is_all_checked():
    assert {"canvas.py", "draw.py", "hair.py", "skin.py"} <= {path.name for path in MODULES}


@pytest.mark.parametrize(
    "line", ["np.exp(a)", "np.sin(a)", "a.sum()", "a ** 2", "a @ b", "from numpy import exp", "import torch"]
)
def test_the_check_finds_what_it_forbids(line):
    assert offences(line)
