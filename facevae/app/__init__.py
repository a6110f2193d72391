"""Models at work on a person's own photographs, for the command `facevae`; the named settings; all parameters checked.

Imports core, jobs, imaging, celeba, sources, data, preparation, nn, models, alignment, training,
latents, evaluation and figures.
"""
