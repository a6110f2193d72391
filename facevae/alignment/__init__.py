"""Faces found in pictures of any size and brought to the aligned images' frame; pictures to learn and measure it on.

Imports core, imaging, nn and models.
"""
