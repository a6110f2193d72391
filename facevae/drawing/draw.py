"""Faces drawn from numbers: the data set that needs no network and whose truth is known.

A face is an identity (seed, number) with attributes. The identity alone decides skin, sizes, light, background and
grain; each attribute changes its own part and nothing else. So one attribute of one face can be switched, and the
difference between the two pictures is what that attribute looks like. Drawings have the same bytes on every machine.
"""

from collections.abc import Iterable

import numpy as np

from facevae.drawing import beard, eyes, hair, mouth, scene, skin
from facevae.drawing.anatomy import measure
from facevae.drawing.attributes import DRAWN, can_switch, is_consistent, known, sample_attributes, switch
from facevae.drawing.canvas import HEIGHT, WIDTH, blank_canvas

__all__ = ["DRAWN", "HEIGHT", "WIDTH", "can_switch", "draw", "is_consistent", "sample_attributes", "switch"]


def draw(seed: int, number: int, attributes: Iterable[str]) -> np.ndarray:
    """Draw identity (seed, number) with `attributes`: (218, 178, 3) uint8 RGB, framed like CelebA's aligned images.

    seed, number: not negative. Attributes that are never drawn (Attractive) are ignored.
    Raises FacevaeError for a name that is not one of CelebA's.
    """
    face = measure(seed, number, known(attributes, "draw"))
    canvas = blank_canvas(face.roll)
    strands = hair.comb(canvas, face)
    # From back to front.
    scene.paint_background(canvas, face)
    hair.paint_back_hair(face, strands)
    skin.paint_neck(canvas, face)
    scene.paint_clothes(canvas, face)
    skin.paint_ears(canvas, face)
    skin.paint_skin(canvas, face)
    beard.paint_beard(canvas, face)
    mouth.paint_mouth(canvas, face)
    beard.paint_mustache(canvas, face)
    eyes.paint_eyes(canvas, face)
    eyes.paint_brows(canvas, face)
    hair.paint_bald(canvas, face)
    hair.paint_hair(face, strands)
    hair.paint_bangs(canvas, face, strands)
    scene.paint_glasses(canvas, face)
    hair.paint_hat(canvas, face)
    scene.paint_jewellery(canvas, face)
    return scene.photograph(canvas, face)
