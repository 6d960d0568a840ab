"""Which manifests an input names."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import fsspec
from fsspec.utils import glob_translate

from alm_beam.core.config import ConfigError
from alm_beam.storage.compression import is_compressed
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.paths import (
    Located,
    canonical,
    errors_that_name,
    files_below,
    info_of,
    is_local,
    is_object_store,
    located,
    reason,
    version_of,
)
from alm_beam.storage.secrets import shown

MANIFEST_SUFFIXES = (".jsonl", ".json")
COMPRESSED_SUFFIXES = (".gz", ".zst", ".bz2")
"""Those that a folder is searched for. A file that is named, or matched by a glob, may be compressed otherwise."""

BEAM_TEMPORARY = "beam-temp-"

_IN_FOLDER = re.compile(
    rf".*({'|'.join(map(re.escape, MANIFEST_SUFFIXES))})({'|'.join(map(re.escape, COMPRESSED_SUFFIXES))})?",
    re.IGNORECASE | re.DOTALL,
)
_GLOB_CHARACTERS = re.compile(r"[*?\[]")


class Manifest(NamedTuple):
    """A manifest file.

    Attributes:
        path: absolute local path, or URL.
        size: bytes, as stored.
        version: what else changes when the file does; see `version_of`.
    """

    path: str
    size: int
    version: tuple[str, str] = ("", "")


class InputError(ConfigError):
    """An input names no manifest, or one that cannot be read; `value` is the input, `allowed` what is wrong with it.

    >>> find_manifests(["nosuch.jsonl"])
    Traceback (most recent call last):
        ...
    alm_beam.storage.discovery.InputError: input=nosuch.jsonl: no such file or folder
    """

    def __init__(self, pattern: str, why: str):
        super().__init__("input", pattern, why)


class _Search(NamedTuple):
    """What a folder or a glob asks for: the files below `root`, so many levels deep, whose path from there matches."""

    root: str
    matches: re.Pattern[str]
    depth: int | None
    nothing_found: str


_FOLDER = _Search("", _IN_FOLDER, None, "the folder holds no .jsonl or .json (.gz, .zst, .bz2 may follow)")


def find_manifests(inputs: Sequence[str], options: StorageOptions = NO_OPTIONS) -> list[Manifest]:
    """The manifests that the inputs name, in their order, each as often as it is named.

    A file is taken whatever its name. A folder is searched recursively for MANIFEST_SUFFIXES, compressed or not. A
    glob gives every file that it matches. Links are followed. What a crashed run left in a temporary folder is no
    manifest.

    Raises:
        InputError: an input names none, or one that cannot be read.
    """
    return [manifest for each in inputs for manifest in _named_by(each, options)]


def is_manifest_name(path: str) -> bool:
    """Whether a folder that holds a file of this name is searched for it."""
    return _IN_FOLDER.fullmatch(path) is not None


def would_find(pattern: str, path: str, options: StorageOptions = NO_OPTIONS) -> bool:
    """Whether the input, a folder or a glob, would find a manifest of this path (local or URL), if it were there."""
    place = located(pattern, options)
    with errors_that_name(pattern):
        search = _search(place.fs, place.path)
    root = canonical(place.url(search.root), options)
    path = canonical(path, options)
    return path.startswith(f"{root}/") and search.matches.fullmatch(path[len(root) + 1 :]) is not None


def _named_by(pattern: str, options: StorageOptions) -> Iterator[Manifest]:
    try:
        place = located(pattern, options)
        for path, info in _found(pattern, place):
            size = info["size"]
            if not _is_utf8(path):
                raise InputError(pattern, f"the name of {path!a} is not UTF-8; rename the file")
            url = place.url(path)
            if size is None:
                raise InputError(pattern, f"{shown(url)} has no known size")
            if size == 0 and is_compressed(path):
                raise InputError(pattern, f"{shown(url)} is cut off: it is empty, which no compressed file is")
            yield Manifest(url, size, version_of(info))
    except InputError:
        raise
    except Exception as error:  # filesystems raise all kinds, and some messages hold what no log may show
        raise InputError(pattern, f"cannot be read ({reason(error)})") from None


def _found(pattern: str, place: Located) -> list[tuple[str, dict[str, Any]]]:
    """Paths, and what the filesystem tells of each."""
    fs, path, _ = place
    is_folder = pattern.endswith("/") and is_object_store(fs)  # where an object may have a folder's name
    if not is_folder and _kind(fs, path) == "file":
        return [(path, fs.info(path))]
    search = _FOLDER._replace(root=path) if is_folder else _search(fs, path)
    found = {below: info for below, info in _files(fs, search) if search.matches.fullmatch(below)}
    if not found:
        bucket = path.partition("/")[0]
        is_gone = is_object_store(fs) and info_of(fs, bucket) is None
        raise InputError(pattern, f"there is no bucket {bucket}" if is_gone else search.nothing_found)
    paths = ((f"{search.root}/{below}", found[below]) for below in sorted(found))
    return [(path, info or fs.info(path)) for path, info in paths]


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _search(fs: fsspec.AbstractFileSystem, path: str) -> _Search:
    if _kind(fs, path) == "directory":
        return _FOLDER._replace(root=path)
    root, glob = _parted(fs, path)
    depth = None if "**" in glob else glob.count("/") + 1
    is_glob = _GLOB_CHARACTERS.search(glob) is not None
    return _Search(
        root, re.compile(glob_translate(glob)), depth, "no file matches" if is_glob else "no such file or folder"
    )


def _parted(fs: fsspec.AbstractFileSystem, path: str) -> tuple[str, str]:
    """The folder to search, and the glob from there. A folder that exists is itself, whatever is in its name."""
    parts = path.split("/")
    at = 1
    while at < len(parts) - 1 and (
        not _GLOB_CHARACTERS.search(parts[at]) or _kind(fs, "/".join(parts[: at + 1])) == "directory"
    ):
        at += 1
    return "/".join(parts[:at]), "/".join(parts[at:])


def _kind(fs: fsspec.AbstractFileSystem, path: str) -> str | None:
    if is_local(fs):
        return "file" if fs.isfile(path) else "directory" if fs.isdir(path) else None
    info = info_of(fs, path)
    return None if info is None else info["type"]


def _files(fs: fsspec.AbstractFileSystem, search: _Search) -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths from the root of all files that are not temporary, and what was already told of each."""
    below: Iterator[tuple[str, dict[str, Any]]]
    if is_local(fs):
        below = ((path, {}) for path in _local_files(search.root, search.depth))
    else:
        found = files_below(fs, search.root, search.depth)
        below = ((_relative(path, search.root), info) for path, info in found)
    return (each for each in below if not any(part.startswith(BEAM_TEMPORARY) for part in each[0].split("/")))


def _relative(path: str, root: str) -> str:
    if not path.startswith(f"{root}/"):
        raise OSError(f"{path} was listed below {root}, which it is not; is there a slash too many?")
    return path[len(root) + 1 :]


def _local_files(root: str, depth: int | None) -> Iterator[str]:
    """As fsspec's `find`, which passes over linked folders and over those that cannot be read."""

    def refuse(error: OSError) -> None:
        raise error

    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True, onerror=refuse):
        real = os.path.realpath(folder)
        below = os.path.relpath(folder, root) if folder != root else ""
        if real in seen or (depth is not None and below.count("/") + (below != "") >= depth - 1):
            folders.clear()
        if real in seen:
            continue
        seen.add(real)
        for name in files:
            yield f"{below}/{name}" if below else name
