"""Models put to work on a person's images, by onnxruntime and NumPy: the Python interface and all that the command
line and the page stand on. PyTorch is imported by `export`, which writes the ONNX files, and by `torch_networks`.

Imports core, jobs, imaging, alignment, finding, nn, models and latents.
"""
