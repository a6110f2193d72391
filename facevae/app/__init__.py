"""The command `facevae` on a person's own photographs, and the named settings.

Imports core, jobs, imaging, sources, nn, models, latents, evaluation and figures.
"""
