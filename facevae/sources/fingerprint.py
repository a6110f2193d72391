"""Fingerprints of files outside of the pipeline: DVC hashes the fingerprint, and so sees when they have changed.

What is fetched over a network needs none: its MD5 sum is known beforehand.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from facevae.alignment.onnx_runtime import ALIGNER, YUNET
from facevae.core.schema import check_whole
from facevae.sources.paths import resolve_path

# Of a smaller file the content counts, so that it may be copied or touched; of a larger one size and time.
_HASHED_BYTES = 64 * 2**20


def fingerprint_chosen(params: Path) -> dict[str, Any]:
    """The fingerprints of the inputs that the parameter file names; none where it can't be read, as download says.

    Raises FacevaeError, naming the key, for what the schema beside it does not allow anywhere in the file: a key that
    no stage knows is in no stage's parameters, so that no other would run and say so.
    """
    # Not load_section, whose libraries take longer to load than all the rest.
    try:
        document = YAML(typ="safe").load(params.read_text(encoding="utf-8"))
    except (YAMLError, ValueError):
        return {}
    check_whole(params, document)
    try:
        return fingerprint_inputs(document["download"])
    except (KeyError, TypeError, AttributeError):
        return {}


def fingerprint_inputs(download: Mapping[str, Any]) -> dict[str, Any]:
    """Of each local file or folder that the chosen source reads, by its key in params.yaml, the fingerprint.

    `download`: that section as it stands there. What the schema can't say of it is the stage download's to say.
    """
    source = download.get("source")
    settings = download.get(source) if source in ("celeba", "folder") else None
    if not isinstance(settings, Mapping):
        return {}
    paths = _celeba_paths(settings) if source == "celeba" else _folder_paths(settings)
    return {f"download.{source}.{key}": fingerprint(path) for key, path in paths}


def fingerprint(path: Path) -> dict[str, Any] | None:
    """What tells a file or a folder from what it was before; None if nothing is there.

    Of a folder: names, sizes and modification times of all files in and below it, hidden ones left out. Links to
    folders below it are not followed.
    """
    if path.is_dir():
        digest, count, size = hashlib.sha256(), 0, 0
        for name, stat in _files_below(str(path), ""):
            digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape"))
            count, size = count + 1, size + stat.st_size
        return {"files": count, "bytes": size, "sha256": digest.hexdigest()}
    try:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            if stat.st_size > _HASHED_BYTES:
                return {"bytes": stat.st_size, "modified_ns": stat.st_mtime_ns}
            return {"bytes": stat.st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    except FileNotFoundError:
        return None


def _files_below(folder: str, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Name relative to the first folder, and status, of each file, sorted."""
    with os.scandir(folder) as found:
        entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(entry.path, f"{prefix}{entry.name}/")
            continue
        try:
            yield prefix + entry.name, entry.stat()
        except FileNotFoundError:  # deleted meanwhile, or a link to nothing
            yield prefix + entry.name, entry.stat(follow_symlinks=False)


def _folder_paths(settings: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    for key in ("images", "attributes"):
        if isinstance(settings.get(key), str):
            yield key, resolve_path(settings[key])
    if settings.get("align") is True:  # what finds faces comes with facevae, and is no output of a stage
        yield from (("align: boxes", YUNET), ("align: frames", ALIGNER))


def _celeba_paths(settings: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """CelebA's files in `path`, or in those of each file's places that are directories."""
    # Imported here: the libraries that they load are slow to start, and the other sources do without.
    from facevae.core.errors import FacevaeError
    from facevae.sources.locate import WANTED, celeba_folder, find
    from facevae.sources.urls import local_path, parse_place

    folder = None
    if isinstance(settings.get("path"), str):
        try:
            folder = celeba_folder(resolve_path(settings["path"]))
        except FacevaeError:  # which download says
            return
    for key, wanted in WANTED.items():
        if folder is not None:
            found = find(folder, wanted)
            if found is not None:
                yield f"path: {key}", found
            continue
        places = settings.get(key)
        for text in places if isinstance(places, list) else []:
            try:
                place = parse_place(str(text))
            except (FacevaeError, ValueError):
                continue
            if place.kind == "directory" and (found := find(local_path(place, wanted.name), wanted)) is not None:
                yield f"{key}: {text}", found
