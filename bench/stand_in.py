"""In place of a stage's science: make the files of sizes.json that are the stage's, and note how long that took.

    python stand_in.py SIZES_JSON STAGE

It runs outside of the project: DVC is to see no more than the stage's own outputs.
"""

import json
import os
import sys
import time
from pathlib import Path

_BLOCK = 2**20


def main(sizes: Path, stage: str) -> None:
    """Write the stage's files, `{stage: {path: bytes}}`, with random content, and add its seconds to seconds.txt."""
    started = time.perf_counter()
    for name, size in json.loads(sizes.read_text(encoding="utf-8"))[stage].items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            path.write_text('{"value": 1}\n', encoding="utf-8")
            continue
        with path.open("wb") as file:
            # One block again and again: to DVC, which hashes them, all bytes are alike; no two files are.
            block = os.urandom(min(size, _BLOCK))
            for start in range(0, size, _BLOCK):
                file.write(block[: size - start])
    with sizes.with_name("seconds.txt").open("a", encoding="utf-8") as file:
        file.write(f"{time.perf_counter() - started}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
