"""A linear layer that reads attributes from the latents while the autoencoder is trained, and is not kept.

Latents from which attributes can be read linearly have directions of attributes by construction.
"""

from torch import Tensor, nn

from facevae.models.vae import Vae
from facevae.nn.losses import known_cross_entropy


class ReadVae(nn.Module):
    """An autoencoder in training, with a reader of `attributes` attributes beside it."""

    def __init__(self, vae: Vae, attributes: int) -> None:
        super().__init__()
        self.vae = vae
        self.reader = nn.Linear(vae.settings.latent_dim, attributes)

    def unread(self, labels: Tensor, z: Tensor) -> Tensor:
        """-log p(labels | z) of each image in nats: (N, A) of 0, 1 or UNKNOWN, (N, D) -> (N,).

        The sum over its known attributes, as the pixels' term is one over all values: with a weight and a beta of 1,
        and labels that depend on z alone, the objective is the bound of the joint log-likelihood of image and labels.
        A larger weight is as the alpha of Kingma et al. 2014, "Semi-supervised learning with deep generative models"
        (arXiv 1406.5298, equation 9), whose classifier looks at the image.
        """
        known = labels >= 0
        return known_cross_entropy(self.reader(z), labels.float(), z.new_ones(()), known) * known.sum(1)


def vae_in(model: nn.Module) -> Vae:
    """The autoencoder of what is trained: with or without a reader."""
    found = model.vae if isinstance(model, ReadVae) else model
    assert isinstance(found, Vae)
    return found
