"""One thin Typer command per pipeline stage: parse, load, call facevae, save."""
