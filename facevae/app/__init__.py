"""The command `facevae` on a person's own photographs, the named settings, and the check of all parameters at once.

Imports core, jobs, imaging, celeba, sources, data, preparation, nn, models, training, latents, evaluation and figures.
"""
