"""Around the command `facevae` and the pipeline: where results go, named settings, parameters checked, `make repro`.

Imports core, imaging, celeba, sources, data, nn, preparation, models, training, latents, inference, evaluation and
figures.
"""
