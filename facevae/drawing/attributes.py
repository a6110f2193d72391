"""Which of CelebA's attributes a drawn face has, how often, and which of them go together."""

from collections.abc import Iterable

import numpy as np

from facevae.celeba.attributes import ATTRIBUTES
from facevae.core.errors import FacevaeError

DRAWN: tuple[str, ...] = tuple(name for name in ATTRIBUTES if name != "Attractive")

"""Every attribute that changes a drawing. "Attractive" is an opinion, so it is never drawn and never sampled."""

HAIR_COLOURS = ("Gray_Hair", "Black_Hair", "Blond_Hair", "Brown_Hair")

# Attribute -> (condition, rate) rows; the first row whose condition holds counts. A condition names the attributes
# that must be there or, with "!", must not; it may only name attributes further up. Rates are CelebA's own
# (list_attr_celeba.txt, all 202,599 rows), save that the rarest are raised so that nothing stays below 0.04.
RATES: dict[str, tuple[tuple[str, float], ...]] = {
    "Male": (("", 0.42),),
    "Young": (("Male", 0.64), ("", 0.87)),
    "Smiling": (("Male", 0.40), ("", 0.54)),
    "Mouth_Slightly_Open": (("Smiling", 0.76), ("", 0.23)),
    "High_Cheekbones": (("Male Smiling", 0.64), ("Smiling", 0.90), ("Male", 0.09), ("", 0.16)),
    # Hair. Bald and Gray_Hair: raised.
    "Bald": (("Male Young", 0.06), ("Male", 0.17), ("", 0.0)),
    "Wearing_Hat": (("Male", 0.08), ("", 0.03)),
    "Gray_Hair": (("Male Young", 0.01), ("Male", 0.27), ("Young", 0.003), ("", 0.10)),
    "Black_Hair": (("Male Young", 0.39), ("Male", 0.20), ("Young", 0.21), ("", 0.11)),
    "Blond_Hair": (("Male", 0.02), ("Young", 0.23), ("", 0.31)),
    "Brown_Hair": (("Male Young", 0.19), ("Male", 0.10), ("Young", 0.25), ("", 0.21)),
    "Bangs": (("Male", 0.09), ("", 0.21)),
    "Receding_Hairline": (("Male Young", 0.06), ("Male", 0.30), ("Young", 0.06), ("", 0.06)),
    "Straight_Hair": (("Male", 0.27), ("", 0.19)),
    "Wavy_Hair": (("Male", 0.16), ("", 0.46)),
    # A beard is male. Goatee, Mustache and Sideburns come with No_Beard absent, as 97 in 100 do in CelebA.
    "No_Beard": (("Male", 0.61), ("", 1.0)),
    "Goatee": (("Male !No_Beard", 0.38), ("", 0.0)),
    "Mustache": (("Male !No_Beard", 0.26), ("", 0.0)),
    "Sideburns": (("Male !No_Beard", 0.36), ("", 0.0)),
    "5_o_Clock_Shadow": (("Male !No_Beard", 0.48), ("Male", 0.12), ("", 0.0)),
    # Make-up, skin and lips.
    "Wearing_Lipstick": (("Male", 0.006), ("Young", 0.82), ("", 0.74)),
    "Heavy_Makeup": (("Male", 0.003), ("Wearing_Lipstick", 0.80), ("", 0.08)),
    "Rosy_Cheeks": (("Male", 0.002), ("Smiling Heavy_Makeup", 0.24), ("Smiling", 0.08), ("", 0.03)),
    "Pale_Skin": (("Male", 0.025), ("Smiling", 0.04), ("", 0.08)),
    "Big_Lips": (("Male", 0.16), ("", 0.30)),
    # Eyes and brows.
    "Arched_Eyebrows": (("Male", 0.05), ("Heavy_Makeup", 0.50), ("", 0.28)),
    "Bushy_Eyebrows": (("Male Young", 0.32), ("Male", 0.12), ("", 0.07)),
    "Narrow_Eyes": (("Smiling", 0.14), ("", 0.09)),
    "Bags_Under_Eyes": (("Male Young", 0.28), ("Male", 0.47), ("Young", 0.09), ("", 0.19)),
    "Eyeglasses": (("Male Young", 0.07), ("Male", 0.22), ("Young", 0.017), ("", 0.067)),
    # Shape.
    "Chubby": (("Male Young", 0.05), ("Male", 0.25), ("Young", 0.007), ("", 0.046)),
    "Oval_Face": (("Smiling", 0.38), ("", 0.20)),
    "Double_Chin": (("Chubby", 0.50), ("Male !Young", 0.14), ("Male", 0.012), ("Young", 0.003), ("", 0.03)),
    "Big_Nose": (("Male Young", 0.33), ("Male", 0.57), ("Young", 0.09), ("", 0.21)),
    "Pointy_Nose": (("Male", 0.17), ("", 0.36)),
    # What is worn, and the photo itself.
    "Wearing_Earrings": (("Male", 0.016), ("Young", 0.29), ("", 0.49)),
    "Wearing_Necklace": (("Male", 0.018), ("Young", 0.18), ("", 0.33)),
    "Wearing_Necktie": (("Male Young", 0.11), ("Male", 0.29), ("", 0.0)),
    "Blurry": (("Young", 0.044), ("", 0.08)),
}

# Groups of which a face has one at most.
ONE_OF = (
    HAIR_COLOURS,
    ("Straight_Hair", "Wavy_Hair"),
    ("Big_Nose", "Pointy_Nose"),
    ("Chubby", "Oval_Face"),
    ("Wearing_Necklace", "Wearing_Necktie"),
    ("Bangs", "Receding_Hairline"),
)

# Attribute -> those that cannot be seen, or make no sense, beside it.
EXCLUDES = {
    "Bald": (*HAIR_COLOURS, "Bangs", "Receding_Hairline", "Straight_Hair", "Wavy_Hair", "Wearing_Hat", "Sideburns"),
    "Wearing_Hat": ("Bangs", "Receding_Hairline", "Straight_Hair", "Wavy_Hair"),
    "No_Beard": ("Goatee", "Mustache", "Sideburns"),
}

ONLY_MALE = ("Bald", "Goatee", "Mustache", "Sideburns", "5_o_Clock_Shadow", "Wearing_Necktie")

_ATTRIBUTE_STREAM = 0  # faces.py draws looks from streams 1 and up


def sample_attributes(seed: int, number: int) -> frozenset[str]:
    """Return the attributes of face `number` of `seed`: CelebA's rates and main correlations, always consistent."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number, _ATTRIBUTE_STREAM])))
    chances = dict(zip(ATTRIBUTES, generator.random(len(ATTRIBUTES)).tolist(), strict=True))
    present: set[str] = set()
    for name in RATES:
        if chances[name] < _rate_now(name, present) and not _excluded(name, present):
            present.add(name)
    return frozenset(present)


def is_consistent(attributes: Iterable[str]) -> bool:
    """Whether one face can have all of `attributes`, and lack the rest, in the eyes of the sampler."""
    present = known(attributes, "is_consistent")
    if "Attractive" in present:
        return False
    if "Male" not in present and ("No_Beard" not in present or present & set(ONLY_MALE)):
        return False
    return not any(_excluded(name, present - {name}) for name in present)


def can_switch(attributes: frozenset[str], name: str) -> bool:
    """Whether switching `name` alone, on or off, leaves a consistent set and can be seen in the drawing.

    Never two attributes at once: Mustache cannot be switched on while No_Beard is there, Male not off under a beard.
    """
    present = known(attributes, "can_switch") ^ known((name,), "can_switch")
    return name in DRAWN and is_consistent(attributes) and is_consistent(present)


def switch(attributes: frozenset[str], name: str) -> frozenset[str]:
    """Return `attributes` with `name`, and nothing else, the other way round.

    Raises FacevaeError where `can_switch` says no.
    """
    if not can_switch(attributes, name):
        raise FacevaeError(
            where="facevae.drawing.draw.switch",
            expected=f"attributes among which {name} alone can change",
            found=", ".join(sorted(attributes)) or "no attribute",
            fix="ask can_switch first and choose another face or attribute",
        )
    return frozenset(attributes) ^ {name}


def known(attributes: Iterable[str], where: str) -> frozenset[str]:
    """Return `attributes` as a set. Raises FacevaeError if CelebA has no attribute of one of the names."""
    present = frozenset(attributes)
    unknown = sorted(present - set(ATTRIBUTES))
    if unknown:
        raise FacevaeError(
            where=f"facevae.drawing.draw.{where}",
            expected="names of CelebA's 40 attributes, such as Smiling",
            found=", ".join(unknown),
            fix="see facevae.celeba.attributes.ATTRIBUTES for the spelling",
        )
    return present


def _rate(name: str, present: set[str]) -> float:
    for condition, rate in RATES[name]:
        if all((word.removeprefix("!") in present) is not word.startswith("!") for word in condition.split()):
            return rate
    raise AssertionError(f"{name} has no row that always holds")


def _rate_now(name: str, present: set[str]) -> float:
    """The rate of `name` now that those before it in its group are known to be absent.

    In a group with rates 0.2 and 0.4 the second must come up in half of the 0.8 that are left.
    """
    rate = _rate(name, present)
    for group in ONE_OF:
        if name in group:
            left = 1.0 - sum(_rate(before, present) for before in group[: group.index(name)])
            rate = min(1.0, rate / left)
    return rate


def _excluded(name: str, present: Iterable[str]) -> bool:
    """Whether something in `present` rules `name` out."""
    for group in ONE_OF:
        if name in group and any(other in present for other in group if other != name):
            return True
    if any(other in present for other in EXCLUDES.get(name, ())):
        return True
    return any(name in excluded and other in present for other, excluded in EXCLUDES.items())
