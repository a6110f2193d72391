"""Faces drawn from numbers, in CelebA's framing, with known attributes. Imports core and celeba."""
