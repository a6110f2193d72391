"""`facevae models`: the sets of models that come with it."""

import textwrap


def models() -> None:
    """List the models that come with facevae.

    For each set: its name for --models, its data, licence and measured quality, and its files with hashes.
    """
    from facevae.inference.sets import file_rows, read_card, set_names

    for name in set_names():
        card = read_card(name)
        print(name)
        for key in ("data", "licence", "made_by"):
            label = f"  {key.replace('_', ' ') + ':':10}"
            print(textwrap.fill(card[key], 110, initial_indent=label, subsequent_indent=" " * len(label)))
        for what, figure in card["figures"].items():
            unit = {"AUC": "", "pictures": "", "seen %": "%", "leakage": ""}.get(figure["unit"], figure["unit"])
            print(f"  {figure['value']:8.4g} {unit:2}  {what}")
        for file, size, digest in file_rows(name):
            print(f"  {size / 1e6:7.2f} MB  {file:30} sha256 {digest[:16]}")
