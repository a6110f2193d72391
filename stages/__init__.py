"""One thin Typer command per pipeline stage: parse, load, call facevae, save.

A stage imports what declares its command at the top of its file and all else at the top of `main`: PyTorch alone takes
seconds, which neither `--help` nor a mistyped option shall wait for.
"""
