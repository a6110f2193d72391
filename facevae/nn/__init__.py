"""What all networks are made of: layers, losses, files of weights, device and precision. Imports core."""
