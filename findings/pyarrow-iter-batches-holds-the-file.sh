#!/bin/sh
# ParquetFile.iter_batches of pyarrow 26 reads nearly the whole file before its first batch, and keeps it until the last.
#
# It is the way to read a large file in little memory: batch after batch, each free when the next one comes, and so it is
# recommended in place of Dataset.to_batches. But ParquetFile's option pre_buffer, which was False, is True by default
# now: all row groups are fetched ahead into a cache of the reader's, and stay there until the iteration has ended. Images
# in a column of bytes, as data sets on hubs have them, are nearly all of such a file.
#
# What to do: ParquetFile(path, pre_buffer=False). With memory_map=True the cache is the mapped file itself: nothing is
# allocated, but its pages count as the process's memory all the same.
#
# Exits with 0 while this holds: by default more than 3/4 of the file are allocated after the first batch and after the
# last, with pre_buffer=False at no time more than 1/4. Exits with 1 when either is otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow==26.0.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import os
import sys

import pyarrow as pa
from pyarrow import parquet

GROUPS, ROWS, SIZE = 40, 50, 20_000
schema = pa.schema([("image", pa.binary())])
with parquet.ParquetWriter("images.parquet", schema) as file:
    for _ in range(GROUPS):
        file.write_table(pa.table({"image": [os.urandom(SIZE) for _ in range(ROWS)]}, schema=schema))
whole = os.path.getsize("images.parquet")
print(f"pyarrow {pa.__version__}, a file of {whole:,} bytes in {GROUPS} row groups")


def allocated(**options):
    """The bytes that Arrow has allocated after each batch, which is gone by then."""
    before, found = pa.total_allocated_bytes(), []
    for batch in parquet.ParquetFile("images.parquet", **options).iter_batches(ROWS):
        del batch
        found.append(pa.total_allocated_bytes() - before)
    return found


default, without = allocated(), allocated(pre_buffer=False)
for name, found in (("by default", default), ("pre_buffer=False", without)):
    print(f"{name:16}: after the first batch {found[0]:>11,}, after the last {found[-1]:>11,}, at most {max(found):>11,}")
sys.exit(0 if min(default[0], default[-1]) > whole * 3 / 4 and max(without) < whole / 4 else 1)
PYTHON
