"""Models that see nothing but colours, so that what is measured of them is known."""

import math
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from facevae.latents.vectors import METHODS, AttributeVectors

COLOURS = ("Red", "Green", "Blue")


class Pixels(nn.Module):
    """An autoencoder whose latent is the picture itself and whose decoder loses the blue."""

    settings = SimpleNamespace(latent_dim=3, precision="float32")

    def encode(self, images):
        mu = images.flatten(1)
        return mu, torch.zeros_like(mu)

    def decode(self, z):
        side = math.isqrt(z.shape[1] // 3)
        return z.view(-1, 3, side, side) * torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1)


class Judge(nn.Module):
    """Holds the mean of each colour for the probability of an attribute."""

    head = SimpleNamespace(in_features=3 * 16)

    def embedding(self, images):
        return images.mean((2, 3))

    def logits_and_embedding(self, images):
        return self(images), self.embedding(images)

    def forward(self, images):
        return self.embedding(images).clamp(1e-6, 1 - 1e-6).logit()


def pictures(*colours):
    """Pictures of a single pixel, red, green and blue in fifths of the whole."""
    return np.array(colours, np.uint8).reshape(-1, 1, 1, 3) * np.uint8(51)


def directions(recommended=(), **vectors):
    """Vectors by the regression, in fifths; the other methods take half of each."""
    found = np.array(list(vectors.values()), np.float32) / 5
    by_method = {method: found if method == "regression" else found / 2 for method in METHODS}
    return AttributeVectors(tuple(vectors), by_method, "regression", tuple(recommended))
