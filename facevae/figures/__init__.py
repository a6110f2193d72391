"""Pictures of data and results; nothing is measured.

Imports core, imaging, celeba, data, preparation, nn, models, latents and evaluation.
"""
