"""Which manifests an input names."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import fsspec
from fsspec.utils import glob_translate

from alm_beam.storage.compression import is_compressed
from alm_beam.storage.paths import beam_path, canonical, is_local, located

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
    """

    path: str
    size: int


class InputError(ValueError):
    """An input names no manifest, or one that cannot be read.

    Attributes:
        pattern: the input as given.
        why: what was looked for, or what is wrong.
    """

    def __init__(self, pattern: str, why: str):
        super().__init__(f"{pattern}: {why}")
        self.pattern = pattern
        self.why = why


class _Search(NamedTuple):
    """What a folder or a glob asks for: the files below `root`, so many levels deep, whose path from there matches."""

    fs: fsspec.AbstractFileSystem
    root: str
    matches: re.Pattern[str]
    depth: int | None
    nothing_found: str


def find_manifests(inputs: Sequence[str]) -> list[Manifest]:
    """The manifests that the inputs name, in their order, each as often as it is named.

    A file is taken whatever its name. A folder is searched recursively for MANIFEST_SUFFIXES, compressed or not. A
    glob gives every file that it matches. Links are followed. What a crashed run left in a temporary folder is no
    manifest.

    Raises:
        InputError: an input names none, or one that cannot be read.
    """
    return [manifest for each in inputs for manifest in _named_by(each)]


def is_manifest_name(path: str) -> bool:
    """Whether a folder that holds a file of this name is searched for it."""
    return _IN_FOLDER.fullmatch(path) is not None


def would_find(pattern: str, path: str) -> bool:
    """Whether the input, a folder or a glob, would find a manifest of this path (local or URL), if it were there."""
    search = _search(*located(pattern))
    root = canonical(beam_path(search.fs, search.root))
    path = canonical(path)
    return path.startswith(f"{root}/") and search.matches.fullmatch(path[len(root) + 1 :]) is not None


def _named_by(pattern: str) -> Iterator[Manifest]:
    try:
        for fs, path in _found(pattern):
            if not _is_utf8(path):
                raise InputError(pattern, f"the name of {path!a} is not UTF-8; rename the file")
            size = fs.size(path)
            if size is None:
                raise InputError(pattern, f"{path} has no known size")
            if size == 0 and is_compressed(path):
                raise InputError(pattern, f"{path} is cut off: it is empty, which no compressed file is")
            yield Manifest(beam_path(fs, path), size)
    except InputError:
        raise
    except (OSError, ValueError, ImportError) as error:
        raise InputError(pattern, f"cannot be read ({error})") from error


def _found(pattern: str) -> list[tuple[fsspec.AbstractFileSystem, str]]:
    fs, path = located(pattern)
    if fs.isfile(path):
        return [(fs, path)]
    search = _search(fs, path)
    found = sorted(below for below in _files(search) if search.matches.fullmatch(below))
    if not found:
        raise InputError(pattern, search.nothing_found)
    return [(fs, f"{search.root}/{below}") for below in found]


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _search(fs: fsspec.AbstractFileSystem, path: str) -> _Search:
    if fs.isdir(path):
        return _Search(fs, path, _IN_FOLDER, None, "the folder holds no .jsonl or .json (.gz, .zst, .bz2 may follow)")
    root, glob = _parted(fs, path)
    depth = None if "**" in glob else glob.count("/") + 1
    is_glob = _GLOB_CHARACTERS.search(glob) is not None
    return _Search(
        fs, root, re.compile(glob_translate(glob)), depth, "no file matches" if is_glob else "no such file or folder"
    )


def _parted(fs: fsspec.AbstractFileSystem, path: str) -> tuple[str, str]:
    """The folder to search, and the glob from there. A folder that exists is itself, whatever is in its name."""
    parts = path.split("/")
    at = 1
    while at < len(parts) - 1 and (not _GLOB_CHARACTERS.search(parts[at]) or fs.isdir("/".join(parts[: at + 1]))):
        at += 1
    return "/".join(parts[:at]), "/".join(parts[at:])


def _files(search: _Search) -> Iterator[str]:
    """Paths from the root, of all files that are not temporary."""
    if is_local(search.fs):
        below = _local_files(search.root, search.depth)
    else:
        found = search.fs.find(search.root, maxdepth=search.depth)
        below = (path[len(search.root) + 1 :] for path in found)
    return (path for path in below if not any(part.startswith(BEAM_TEMPORARY) for part in path.split("/")))


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
