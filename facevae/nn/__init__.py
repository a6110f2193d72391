"""What all networks are made of: layers, losses, files of weights, the device. Imports core."""
