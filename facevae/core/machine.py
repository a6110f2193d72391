"""What this machine lends a process."""

import os

SPINS = ("GOMP_SPINCOUNT", "1000")
"""How often a thread of PyTorch's (libgomp) asks for work before it sleeps.

libgomp's own number takes milliseconds, and the cores from whoever else wants them (docs/design.md, Training;
`python -m bench.at_once`).
"""


def available_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_cores() -> None:
    """Let threads that wait for each other sleep, as PyTorch's do if this comes before its import.

    Unless the environment says how they wait.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault(*SPINS)
