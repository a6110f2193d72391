"""Around the command `facevae`: where its results go, the named settings, all parameters checked.

Imports core, imaging, celeba, sources, data, preparation, models, training, latents, inference, evaluation and figures.
"""
