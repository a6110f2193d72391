"""Faces drawn from numbers: the data set that needs no network and whose truth is known.

A face is an identity (seed, number) with attributes. The identity alone decides skin, sizes, light, background and
grain; each attribute changes its own part and nothing else. So one attribute of one face can be switched, and the
difference between the two pictures is what that attribute looks like. Drawings have the same bytes on every machine.
"""

from collections.abc import Iterable

import numpy as np

from facevae import face_features, face_hair, face_scene
from facevae.face_attributes import DRAWN, can_switch, is_consistent, known, sample_attributes, switch
from facevae.face_canvas import HEIGHT, WIDTH, blank_canvas
from facevae.face_looks import measure

__all__ = ["DRAWN", "HEIGHT", "WIDTH", "can_switch", "draw", "is_consistent", "sample_attributes", "switch"]


def draw(seed: int, number: int, attributes: Iterable[str]) -> np.ndarray:
    """Draw identity (seed, number) with `attributes`: (218, 178, 3) uint8 RGB, framed like CelebA's aligned images.

    seed, number: not negative. Attributes that are never drawn (Attractive) are ignored.
    Raises FacevaeError for a name that is not one of CelebA's.
    """
    face = measure(seed, number, known(attributes, "draw"))
    canvas = blank_canvas(face.roll)
    strands = face_hair.comb(canvas, face)
    # From back to front.
    face_scene.paint_background(canvas, face)
    face_hair.paint_back_hair(face, strands)
    face_features.paint_neck(canvas, face)
    face_scene.paint_clothes(canvas, face)
    face_features.paint_ears(canvas, face)
    face_features.paint_skin(canvas, face)
    face_features.paint_beard(canvas, face)
    face_features.paint_mouth(canvas, face)
    face_features.paint_mustache(canvas, face)
    face_features.paint_eyes(canvas, face)
    face_features.paint_brows(canvas, face)
    face_hair.paint_bald(canvas, face)
    face_hair.paint_hair(face, strands)
    face_hair.paint_bangs(canvas, face, strands)
    face_scene.paint_glasses(canvas, face)
    face_hair.paint_hat(canvas, face)
    face_scene.paint_jewellery(canvas, face)
    return face_scene.photograph(canvas, face)
