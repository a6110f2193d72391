"""Faces found in pictures of any size, brought to the aligned images' frame and back; pictures to learn and measure on.

Imports no other room.
"""
