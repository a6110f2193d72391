"""From raw images to arrays, and the report on them: a module per stage.

Imports core, jobs, imaging, celeba and data.
"""
