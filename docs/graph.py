"""The pipeline's graph in README.md: what `dvc dag --mermaid` prints, made easier to read. Run by `make graph`.

DVC draws an arrow for each file that one stage makes and another reads; with all of them the graph is
hard to follow. Here stages stand under their
names, and an arrow is left out where others lead the same way: crop_pad_dae -> add_noise -> cache_arrays_dae says all
that crop_pad_dae -> cache_arrays_dae would.
"""

import re
import subprocess
import sys
from pathlib import Path

import networkx

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(?<=^```mermaid\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)


def graph(printed: str) -> str:
    """The Mermaid block of what DVC printed."""
    names = dict(re.findall(r'^\s*(\w+)\["([^"]+)"\]$', printed, re.MULTILINE))
    arrows = [(names[one], names[other]) for one, other in re.findall(r"^\s*(\w+)-->(\w+)$", printed, re.MULTILINE)]
    stages = networkx.DiGraph(arrows)
    stages.add_nodes_from(names.values())
    kept = networkx.transitive_reduction(stages)
    lines = [f"    {one} --> {other}" for one in networkx.topological_sort(stages) for other in sorted(kept[one])]
    return "\n".join(["flowchart TD", *lines, ""])


def printed_by_dvc() -> str:
    """What `dvc dag --mermaid` prints."""
    command = [sys.executable, "-m", "dvc", "dag", "--mermaid"]
    return subprocess.run(command, cwd=README.parent, check=True, capture_output=True, encoding="utf-8").stdout


if __name__ == "__main__":
    text, found = BLOCK.subn(lambda _: graph(printed_by_dvc()), README.read_text(encoding="utf-8"), count=1)
    if not found:
        raise SystemExit(f"{README.name}: expected a block ```mermaid, found none")
    README.write_text(text, encoding="utf-8")
    print(README.name)
