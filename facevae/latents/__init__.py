"""What is done in the latent space: posteriors, arithmetic, directions, attribute vectors, mixture, projections.

Imports core, jobs, celeba, data, nn and models.
"""
