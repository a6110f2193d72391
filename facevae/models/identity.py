"""Face verification: a network whose embeddings of two images of one person have a high cosine.

It only evaluates, whether an edit keeps the person. Where there are too few persons to learn from, the judge's
embedding stands in for it.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from facevae.core.errors import FacevaeError
from facevae.models.classifier import Classifier

# Images (N, 3, S, S) in [0, 1] -> embeddings (N, E), to compare by their cosine.
Embed = Callable[[Tensor], Tensor]


class IdentityNetwork(nn.Module):
    """The classifier's convolutions with an embedding in place of its logits: (N, 3, S, S) in [0, 1] -> (N, E).

    The embeddings are float32 and of length 1. Raises ValueError, saying what would be right, if S does not fold.
    """

    def __init__(self, image_size: int, width: int, embedding: int) -> None:
        super().__init__()
        self.body = Classifier(image_size, width, embedding)

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.body(images).float(), dim=1)


def start_from(judge: Classifier | None, image_size: int, embedding: int, width: int = 32) -> IdentityNetwork:
    """A new network with the judge's convolutions and a random embedding after them.

    A few images of each person teach convolutions little that is true of others; knowing attributes is half of it.
    Without a judge the convolutions, of `width` channels after the stem, are random as well. Raises ValueError if the
    judge is one of images that fold otherwise.
    """
    if judge is None:
        return IdentityNetwork(image_size, width, embedding)
    network = IdentityNetwork(image_size, judge.stem.out_channels, embedding)
    if network.body.fold != judge.fold:
        raise ValueError(f"a judge of {image_size}-pixel images")
    network.body.stem.load_state_dict(judge.stem.state_dict())
    network.body.stages.load_state_dict(judge.stages.state_dict())
    return network


def metadata_of(image_size: int, network: IdentityNetwork | None, identities: int) -> dict[str, Any]:
    """What `from_metadata` needs: JSON-able. `identities`: how many persons the network was trained on.

    Without a network they are 0.
    """
    metadata = {"kind": "identity", "image_size": image_size, "identities": identities if network else 0}
    if network is None:
        return metadata
    return metadata | {"width": network.body.stem.out_channels, "embedding": network.body.head.out_features}


def from_metadata(metadata: dict[str, Any]) -> IdentityNetwork | None:
    """The network, untrained, that `metadata_of` describes; None where none was trained."""
    if metadata["identities"] == 0:
        return None
    return IdentityNetwork(metadata["image_size"], metadata["width"], metadata["embedding"])


def embedder(
    network: IdentityNetwork | None, metadata: dict[str, Any], judge: Classifier | None, image_size: int
) -> tuple[Literal["identity", "judge"], Embed] | None:
    """What tells persons apart here, and its name: the trained network, or where there is none the judge, if any.

    `network` and `metadata` of models/identity.safetensors; `image_size` of the images that will be embedded, on the
    judge's device. Raises FacevaeError if the network was trained on images of another size.
    """
    if metadata["image_size"] != image_size:
        raise FacevaeError(
            where="the identity network", expected=f"one of {image_size}-pixel images",
            found=f"one of {metadata['image_size']}-pixel images", fix="run stages.train_identity on the same arrays",
        )  # fmt: skip
    if network is None:
        return None if judge is None else ("judge", judge.embedding)
    return "identity", network if judge is None else network.to(next(judge.parameters()).device)
