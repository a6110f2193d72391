"""A network that knows persons: embeddings of faces whose cosine says how much two of them are one person's.

It only evaluates, whether an edit keeps the person. Where there are too few persons to learn from, the judge's
embedding stands in for it.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from facevae.classifier import Classifier
from facevae.errors import FacevaeError
from facevae.optimization import TrainingSettings
from facevae.steps import Step

# Images (N, 3, S, S) in [0, 1] -> embeddings (N, E), to compare by their cosine.
Embed = Callable[[Tensor], Tensor]


class IdentitySettings(TrainingSettings):
    """The network and its training.

    `embedding`: how many numbers an embedding has. `scale` and `margin`: s and m of `margin_cross_entropy`. A person
    takes part with at least `least_images` images in the train split; where fewer than `least_persons` do, no network
    is trained.
    """

    embedding: int = Field(ge=2, le=1024)
    scale: float = Field(gt=0, le=1000)
    margin: float = Field(ge=0, lt=1)
    least_images: int = Field(ge=2)
    least_persons: int = Field(ge=2)
    # CelebA's valid split has other persons than its train split: there is no validation loss to go by.
    patience: None
    keep: Literal["last"]


class IdentityNetwork(nn.Module):
    """The classifier's convolutions with an embedding in place of its logits: (N, 3, S, S) in [0, 1] -> (N, E).

    The embeddings are float32 and of length 1. Raises ValueError, saying what would be right, if S does not fold.
    """

    def __init__(self, image_size: int, width: int, embedding: int) -> None:
        super().__init__()
        self.body = Classifier(image_size, width, embedding)

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.body(images).float(), dim=1)


def start_from(judge: Classifier, image_size: int, embedding: int) -> IdentityNetwork:
    """A new network with the judge's convolutions and a random embedding after them.

    A few images of each person teach convolutions little that is true of others; knowing attributes is half of it.
    Raises ValueError if the judge is one of images that fold otherwise.
    """
    network = IdentityNetwork(image_size, judge.stem.out_channels, embedding)
    if network.body.fold != judge.fold:
        raise ValueError(f"a judge of {image_size}-pixel images")
    network.body.stem.load_state_dict(judge.stem.state_dict())
    network.body.stages.load_state_dict(judge.stages.state_dict())
    return network


class PersonClassifier(nn.Module):
    """The network and a direction (E,) for each of P persons, which are only there to train it: `directions` (P, E)."""

    def __init__(self, network: IdentityNetwork, directions: Tensor) -> None:
        super().__init__()
        self.network = network
        self.directions = nn.Parameter(directions)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """With each person's direction: (N, E) of length 1 -> (N, P) in [-1, 1]."""
        return F.linear(embeddings, F.normalize(self.directions, dim=1))


def margin_cross_entropy(cosines: Tensor, persons: Tensor, scale: float, margin: float) -> Tensor:
    """-log softmax of s (cos - m [the right person]), in nats: (N, P), (N,) int64 in [0, P) -> (N,).

    CosFace (Wang et al. 2018, arXiv 1801.09414, equation 4); without a margin NormFace (Wang et al. 2017, arXiv
    1704.06369, equation 6). The margin asks of the right person's cosine to be larger than the others' by that much.
    """
    right = F.one_hot(persons, cosines.shape[1])
    return F.cross_entropy(scale * (cosines - margin * right), persons, reduction="none")


def identity_terms(
    model: PersonClassifier, images: Tensor, persons: Tensor, settings: IdentitySettings, step: Step
) -> dict[str, Tensor]:
    """Loss of each image and whether the nearest direction is the right person's, (N,).

    `images` (N, 3, S, S) in [0, 1], `persons` (N,) int64 in [0, P).
    """
    with step.autocast():
        embeddings = model.network(images)
    cosines = model.cosines(embeddings)
    return {
        "loss": margin_cross_entropy(cosines, persons, settings.scale, settings.margin),
        "accuracy": (cosines.argmax(1) == persons).float(),
    }


def facts_of(image_size: int, network: IdentityNetwork | None, identities: int) -> dict[str, Any]:
    """What `rebuild` needs beside the weights: JSON-able. `identities`: how many persons the network was trained on.

    Without a network they are 0.
    """
    facts = {"kind": "identity", "image_size": image_size, "identities": identities if network else 0}
    if network is None:
        return facts
    return facts | {"width": network.body.stem.out_channels, "embedding": network.body.head.out_features}


def rebuild(facts: dict[str, Any], weights: dict[str, Tensor]) -> IdentityNetwork | None:
    """The trained network, from its facts and weights; None where none was trained."""
    if facts["identities"] == 0:
        return None
    network = IdentityNetwork(facts["image_size"], facts["width"], facts["embedding"])
    network.load_state_dict(weights)
    return network.eval()


def embedder(
    facts: dict[str, Any], weights: dict[str, Tensor], judge: Classifier, image_size: int
) -> tuple[Literal["identity", "judge"], Embed]:
    """What tells persons apart here, and its name: the trained network, or where there is none the judge.

    `facts` and `weights` of models/identity.safetensors; `image_size` of the images that will be embedded, on the
    judge's device. Raises FacevaeError if the network was trained on images of another size.
    """
    if facts["image_size"] != image_size:
        raise FacevaeError(
            where="the identity network", expected=f"one of {image_size}-pixel images",
            found=f"one of {facts['image_size']}-pixel images", fix="run stages.train_identity on the same arrays",
        )  # fmt: skip
    network = rebuild(facts, weights)
    if network is None:
        return "judge", judge.embedding
    return "identity", network.to(next(judge.parameters()).device)


def identity_kept(faces: Tensor, reconstructions: Tensor, edits: Tensor) -> Tensor:
    """How much of the person an edit keeps, beside what the reconstruction keeps: (N, E) thrice -> (N,) in [-1, 3].

    1 + cos(face, edit) - cos(face, reconstruction): 1 where the edit is as much the person as the reconstruction is,
    less by the cosine that it loses. A difference, not a ratio: the ratio of two cosines has no bounds where the
    reconstruction's is near 0.
    """
    return 1 + F.cosine_similarity(faces, edits) - F.cosine_similarity(faces, reconstructions)
