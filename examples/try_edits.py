"""Try the same edits on each photograph of a folder, and keep the ones that the judge sees.

python examples/try_edits.py photos/ out/
"""

import sys
from pathlib import Path

import facevae

EDITS = {"smile": {"Smiling": True}, "glasses": {"Eyeglasses": 1.5}, "older": {"Young": -1.0}}


def main(photographs: Path, results: Path) -> None:
    """Write NAME_EDIT.png for each photograph with a face, and say what the judge makes of it.

    NAME is the file's whole name: ann.jpg and ann.png are two photographs.
    """
    faces = facevae.load("celeba")
    results.mkdir(parents=True, exist_ok=True)
    for path in sorted(photographs.glob("[!.]*")):  # no hidden files
        try:
            portrait = faces.open(path)  # the largest face
        except facevae.FacevaeError as error:
            print(error)  # one line: no face, no image, ...
            continue
        before = portrait.judged({})
        for name, changes in EDITS.items():
            portrait.save(results / f"{path.name}_{name}.png", changes)
            after = portrait.judged(changes)
            changed = max(after, key=lambda attribute: abs(after[attribute] - before[attribute]))
            print(f"{path.name}, {name}: {changed} {before[changed]:.0%} -> {after[changed]:.0%}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/try_edits.py PHOTOGRAPHS RESULTS, two folders")
    if not Path(sys.argv[1]).is_dir():
        sys.exit(f"{sys.argv[1]}: no such folder")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
