"""The names of CelebA's 40 attributes, in the order of its annotation file, and words for them."""

ATTRIBUTES = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose",
    "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses",
    "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache", "Narrow_Eyes",
    "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks", "Sideburns", "Smiling",
    "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace",
    "Wearing_Necktie", "Young",
)  # fmt: skip

SYNONYMS = {
    "bald head": "Bald", "beard stubble": "5_o_Clock_Shadow", "big lips": "Big_Lips", "blond": "Blond_Hair",
    "blonde": "Blond_Hair", "blonde hair": "Blond_Hair", "brunette": "Brown_Hair", "cap": "Wearing_Hat",
    "curls": "Wavy_Hair", "curly hair": "Wavy_Hair", "earring": "Wearing_Earrings", "earrings": "Wearing_Earrings",
    "eye glasses": "Eyeglasses", "fringe": "Bangs", "glasses": "Eyeglasses", "grey hair": "Gray_Hair",
    "hat": "Wearing_Hat", "lipstick": "Wearing_Lipstick", "make up": "Heavy_Makeup", "makeup": "Heavy_Makeup",
    "man": "Male", "masculine": "Male", "moustache": "Mustache", "mouth open": "Mouth_Slightly_Open",
    "necklace": "Wearing_Necklace", "necktie": "Wearing_Necktie", "open mouth": "Mouth_Slightly_Open",
    "pale": "Pale_Skin", "smile": "Smiling", "spectacles": "Eyeglasses", "stubble": "5_o_Clock_Shadow",
    "sunglasses": "Eyeglasses", "tie": "Wearing_Necktie", "youth": "Young",
}  # fmt: skip
"""What people call the attributes, in small letters with spaces."""
