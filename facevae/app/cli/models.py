"""`facevae models`: the sets of models that come with it."""

import textwrap


def models() -> None:
    """List the models that come with facevae.

    Each set by the name that --models takes: its data, licence and figures, and its files with their hashes.
    """
    from facevae.inference.sets import file_rows, read_card, set_names

    for name in set_names():
        card = read_card(name)
        print(name)
        for key in ("data", "licence", "made_by"):
            label = f"  {key.replace('_', ' ') + ':':10}"
            print(textwrap.fill(card[key], 110, initial_indent=label, subsequent_indent=" " * len(label)))
        for figure in card["figures"]:
            print(f"  {figure['value']:>10}  {figure['what']}")
        for file, size, digest in file_rows(name):
            print(f"  {size / 1e6:7.2f} MB  {file:30} sha256 {digest[:16]}")
