"""The command `facevae`: a module for each of its commands, and the options that they share.

Nothing heavy (numpy, Pillow, onnxruntime) is imported before a command needs it: help and a mistyped option answer at
once. Imports core, imaging, celeba, sources, latents, inference, figures, app and app.page.
"""
