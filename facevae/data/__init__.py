"""What the models are trained on: memory-mapped arrays, noise, persons, aligned images.

Imports core, jobs, imaging and celeba.
"""
