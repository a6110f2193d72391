"""What glibc does with freed memory, when told."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from facevae.core import allocator


@pytest.mark.parametrize("has_it", [True, False])
def test_mallopt_is_called_where_the_c_library_has_it(monkeypatch, has_it):
    calls = []
    library = SimpleNamespace(mallopt=lambda *call: calls.append(call)) if has_it else SimpleNamespace()
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: library)
    allocator.keep_freed_memory(1000)
    assert calls == ([(-4, 0), (-1, 1000)] if has_it else [])  # M_MMAP_MAX and M_TRIM_THRESHOLD of malloc.h


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults of glibc's allocator")
def test_freed_memory_is_kept():
    """Taking and freeing 64 MB again and again: most times the pages are there already."""
    code = (
        "import ctypes, resource, sys, torch\n"
        "from facevae.core import allocator\n"
        "if not hasattr(ctypes.CDLL(None), 'mallopt'): sys.exit(77)\n"
        "if sys.argv[1] == 'kept': allocator.keep_freed_memory()\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "torch.set_num_threads(1); torch.ones(1 << 24); before = faults()\n"
        "for _ in range(25): torch.ones(1 << 24)\n"
        "print(faults() - before)"
    )
    found = {}
    for way in ("kept", "not"):
        done = subprocess.run([sys.executable, "-c", code, way], capture_output=True, encoding="utf-8")
        if done.returncode == 77:
            pytest.skip("not glibc")
        found[way] = int(done.stdout)
    assert found["kept"] < found["not"] / 2, found
