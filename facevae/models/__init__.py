"""The networks and their architecture's settings: denoiser, autoencoder, classifier, identity, aligner, VGG19.

Imports core, alignment and nn.
"""
