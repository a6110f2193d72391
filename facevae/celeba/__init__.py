"""CelebA's files and words: attributes, annotation tables, splits, counterfactual pairs.

Imports core and imaging.
"""
