"""Attributes as a person looks for them: by group and in words."""

from collections.abc import Sequence

GROUPS = {
    "Expression": ("Smiling", "Mouth_Slightly_Open", "High_Cheekbones", "Narrow_Eyes"),
    "Hair and beard": (
        "Bangs", "Blond_Hair", "Black_Hair", "Brown_Hair", "Gray_Hair", "Bald", "Receding_Hairline", "Wavy_Hair",
        "Straight_Hair", "Bushy_Eyebrows", "Arched_Eyebrows", "Mustache", "Goatee", "Sideburns", "5_o_Clock_Shadow",
        "No_Beard",
    ),
    "Accessories": ("Eyeglasses", "Wearing_Hat", "Wearing_Earrings", "Wearing_Necklace", "Wearing_Necktie"),
    "Age and features": (
        "Young", "Male", "Bags_Under_Eyes", "Double_Chin", "Chubby", "Oval_Face", "Big_Nose", "Pointy_Nose", "Big_Lips",
    ),
    "Make-up": ("Heavy_Makeup", "Wearing_Lipstick", "Rosy_Cheeks", "Pale_Skin"),
}  # fmt: skip

OTHERS = "Others"
"""The group of what has none: attributes of a person's own data, and those of the picture (Attractive, Blurry)."""

_WORDS = {"5_o_Clock_Shadow": "5 o'clock shadow", "Male": "Masculine", "Heavy_Makeup": "Heavy make-up"}


def grouped(attributes: Sequence[str]) -> dict[str, list[str]]:
    """The attributes by group, each in the order given; groups without any are left out."""
    of = {name: group for group, names in GROUPS.items() for name in names}
    found: dict[str, list[str]] = {group: [] for group in (*GROUPS, OTHERS)}
    for name in attributes:
        found[of.get(name, OTHERS)].append(name)
    return {group: names for group, names in found.items() if names}


def label(attribute: str) -> str:
    """`Mouth_Slightly_Open` -> `Mouth slightly open`."""
    return _WORDS.get(attribute) or attribute.replace("_", " ").capitalize()
