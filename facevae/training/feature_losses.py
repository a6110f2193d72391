"""Losses that compare two images by a network's features instead of their pixels, each per image."""

import torch
from torch import Tensor, nn

from facevae.models.classifier import Classifier
from facevae.models.vgg import Vgg19
from facevae.nn.losses import squared_error

# Grey levels per unit of torchvision's normalised images: 255 times the mean of ImageNet's three standard deviations.
_GREY_LEVELS = 255 * (0.229 + 0.224 + 0.225) / 3


class ClassifierLoss(nn.Module):
    """Distance in a classifier's features: (N, 3, S, S) twice -> (N,), 3 S^2 for unrelated images or so.

    Squared error of each of the classifier's three stages, divided by the stage's variance over the training images,
    averaged, and times the number of an image's values: in the size of a calibrated decoder's pixel term
    (discriminative regularisation, Lamb et al. 2016, arXiv 1602.03220). The classifier is frozen.
    """

    def __init__(self, classifier: Classifier, sample: Tensor) -> None:
        super().__init__()
        self.classifier = classifier.requires_grad_(False).eval()
        with torch.no_grad():
            variances = [stage.var() for stage in classifier.features(sample)]
        self.register_buffer("variances", torch.stack(variances))

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        with torch.no_grad():
            targets = self.classifier.features(images)
        found = self.classifier.features(reconstruction)
        distances = [
            squared_error(a.float(), b.float()) / variance
            for a, b, variance in zip(found, targets, self.variances, strict=True)
        ]
        return torch.stack(distances).mean(0) * images[0].numel()


class PerceptualLoss(nn.Module):
    """Deep feature consistent loss (Hou et al. 2017, arXiv 1610.00291, equations 4 and 5): (N, 3, S, S) twice -> (N,).

    Sum over the layers of 1 / (2 C H W) times the summed squared error of VGG19's features. The paper weighs it with
    beta = 0.5 against alpha = 1 for the KL, with a network whose inputs are grey levels; torchvision's takes them
    divided by about 57, so that its squared errors are brought back by 57^2, as far as a network of ReLUs is
    homogeneous (its biases aside).
    """

    def __init__(self, vgg: Vgg19) -> None:
        super().__init__()
        self.vgg = vgg

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        with torch.no_grad():
            targets = self.vgg.features(images)
        found = self.vgg.features(reconstruction)
        errors = [squared_error(a.float(), b.float()) / 2 for a, b in zip(found, targets, strict=True)]
        return torch.stack(errors).sum(0) * _GREY_LEVELS**2
