"""The page that `facevae page` serves: photographs edited, faces sampled and interpolated, noise removed, in a browser.

Photographs stay in this process's memory. `browser/` holds the page's script and style. Imports core and
inference.
"""
