"""The training loop: settings, optimizer, batches, steps, processes, checkpoints, log. Knows no model.

Imports core, jobs and nn.
"""
