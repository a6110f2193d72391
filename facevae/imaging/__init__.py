"""Image files and packs of them: decoding, encoding, framing, zip and TIFF archives of images.

Imports core and jobs.
"""
