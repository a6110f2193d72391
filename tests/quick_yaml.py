"""DVC reads and writes its YAML quickly: a text is parsed once per process, dvc.lock and the run cache by libyaml.

In Python, as ruamel.yaml does it to keep comments and positions, writing the lock of the whole pipeline takes longer
than most of its stages take here, and each stage reads params.yaml again. What a person writes, dvc.yaml and
params.yaml, is still changed in DVC's own way.
"""

import io
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import yaml
from dvc import dvcfile
from dvc.utils import serialize, strictyaml
from dvc.utils.serialize import _common
from dvc.utils.serialize import _yaml as dvc_yaml

_own_parse, _own_modify = dvc_yaml.parse_yaml, dvc_yaml.modify_yaml
_parsed: dict[str, bytes] = {}  # what texts say, pickled: DVC changes what it gets


class _Dumper(yaml.CSafeDumper):
    """libyaml that writes ruamel.yaml's kinds of mappings, lists and values as such."""


for _kind in (dict, list, str, int, float):
    _Dumper.add_multi_representer(
        _kind, lambda dumper, data, kind=_kind: yaml.CSafeDumper.yaml_representers[kind](dumper, kind(data))
    )


def parse(text: str, path: str, typ: str = "safe") -> Any:
    """DVC's reader; with comments (`rt`) it reads each time."""
    if typ != "safe":
        return _own_parse(text, path, typ)
    if text not in _parsed:
        _parsed[text] = pickle.dumps(_own_parse(text, path))
    return pickle.loads(_parsed[text])


def dump(data: Any, stream: TextIO) -> None:
    """Write data without comments; its text will not have to be parsed."""
    text = io.StringIO()
    yaml.dump(data, text, _Dumper, sort_keys=False)
    stream.write(text.getvalue())
    _parsed[text.getvalue()] = pickle.dumps(data)


def dump_file(path: str, data: Any, fs: Any = None) -> None:
    """The same to a file."""
    _common._dump_data(path, data, dump, fs)


@contextmanager
def modify(path: str, fs: Any = None) -> Iterator[dict]:
    """What the lock file says, and back into it; another file in DVC's own way."""
    quick = _common._modify_data(path, parse, dump, fs)
    with quick if Path(path).name == "dvc.lock" else _own_modify(path, fs=fs) as data:
        yield data


# What is put in which place, for `setattr`.
PATCHES = (
    (dvc_yaml, "parse_yaml", parse),
    (strictyaml, "parse_yaml", parse),
    (dvcfile, "modify_yaml", modify),
    (serialize, "dump_yaml", dump_file),  # the run cache imports it from there
)
