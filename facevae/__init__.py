"""facevae: denoise faces, learn their latent space, edit them in it."""
