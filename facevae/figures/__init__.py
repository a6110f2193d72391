"""Pictures of data and results; nothing is measured.

Imports core, imaging, celeba, data, nn, models, latents and evaluation.
"""
