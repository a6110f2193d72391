"""What the models are trained on: memory-mapped arrays, noise, persons. Imports core and imaging."""
