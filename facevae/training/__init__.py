"""Each model's objective, settings and training, and in `loop` the one loop that runs them all.

Imports core, data, nn, models, alignment and training.loop.
"""
