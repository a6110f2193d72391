"""Faces found in pictures of any size and brought to the aligned images' frame and back; pictures to measure that on.

Imports alignment.
"""
