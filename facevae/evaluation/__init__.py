"""What is measured of trained models; nothing is drawn and nothing trained.

Imports core, jobs, imaging, celeba, data, nn, models, alignment, finding and latents.
"""
