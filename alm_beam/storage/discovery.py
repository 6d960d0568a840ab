"""Which manifests an input names."""

import logging
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import fsspec

from alm_beam.core.config import ConfigError
from alm_beam.core.text import visible
from alm_beam.storage.compression import is_compressed
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions, names_of
from alm_beam.storage.local_files import (
    UnfitError,
    own_descriptor,
    readable_info,
    regular_files,
    special_kind,
    status_of,
    stored_path,
    why_never_read,
    without_second_names,
)
from alm_beam.storage.outputs import JOBS, REJECTS
from alm_beam.storage.paths import (
    Located,
    canonical,
    errors_that_name,
    info_of,
    is_local,
    is_object_store,
    located,
    reason,
    version_of,
)
from alm_beam.storage.search import ANY_FOLDERS, Search, Step, glob_search, is_glob, local_files, remote_files
from alm_beam.storage.secrets import shown
from alm_beam.storage.spool import Spool

_LOG = logging.getLogger(__name__)

MANIFEST_SUFFIXES = (".jsonl", ".json")
COMPRESSED_SUFFIXES = (".gz", ".zst", ".bz2")
"""Those that a folder is searched for. A file that is named, or matched by a glob, may be compressed otherwise."""

_NO_MANIFESTS = "|".join(
    [
        rf"{REJECTS.name}-\d+-of-\d+{re.escape(REJECTS.suffix)}",
        *(re.escape(name) for job in JOBS for name in job.files if name.endswith(MANIFEST_SUFFIXES)),
    ]
)
"""What runs leave beside the manifests in their folders."""

_BESIDE = rf"(?!(?:{_NO_MANIFESTS})$)"


class Manifest(NamedTuple):
    """A manifest file.

    Attributes:
        path: absolute local path, or URL.
        size: bytes, as stored.
        version: what else changes when the file does; see `version_of`.
        name: what it is called, if it is the copy of something else: the pipe that was named.
    """

    path: str
    size: int
    version: tuple[str, str] = ("", "")
    name: str = ""


class InputError(ConfigError):
    """An input names no manifest, or one that cannot be read; `value` is the input, `allowed` what is wrong with it.

    >>> find_manifests(["nosuch.jsonl"])
    Traceback (most recent call last):
        ...
    alm_beam.storage.discovery.InputError: input=nosuch.jsonl: no such file or folder
    """

    def __init__(self, pattern: str, why: str):
        super().__init__("input", pattern, why)


def folder_search(endings: Sequence[str], named: str = "") -> Search:
    """What a folder is searched for: files whose names end so, compressed by COMPRESSED_SUFFIXES or not, in any case.

    Args:
        endings: with their dots.
        named: what else has to be in the name.

    >>> cuts = folder_search([".jsonl"], "cuts")
    >>> cuts.finds("dev/cuts_dev.jsonl.gz"), cuts.finds("dev/alm_output-00000-of-00001.jsonl")
    (True, False)
    """
    kinds = " or ".join([", ".join(endings[:-1]), endings[-1]] if len(endings) > 1 else endings)
    what = f"{kinds} with {named} in its name" if named else kinds
    others = ", ".join(COMPRESSED_SUFFIXES)
    nothing_found = f"the folder holds no {what} ({others} may follow; what is hidden is passed over)"
    return Search("", (ANY_FOLDERS, Step(_names(endings, named))), nothing_found)


def _names(endings: Sequence[str], named: str = "") -> re.Pattern[str]:
    any_of, compressed = ("|".join(map(re.escape, each)) for each in (endings, COMPRESSED_SUFFIXES))
    return re.compile(rf"{_BESIDE}.*{re.escape(named)}.*({any_of})({compressed})?", re.IGNORECASE | re.DOTALL)


MANIFESTS = folder_search(MANIFEST_SUFFIXES)
"""What a folder of manifests is searched for."""


def find_manifests(
    inputs: Sequence[str],
    options: StorageOptions = NO_OPTIONS,
    spool: Spool | None = None,
    folder: Search = MANIFESTS,
) -> list[Manifest]:
    """The manifests that the inputs name, in their order, each as often as it is named.

    A file is taken whatever its name. A folder is searched recursively for MANIFEST_SUFFIXES, compressed or not. A
    glob gives every file that it matches. Links are followed; what a folder or a glob finds by several of them, it
    finds once. Both pass over what is hidden (see `Search`), what a crashed run left in a temporary folder, and, with a
    warning in the log, over pipes, sockets and devices. In a folder, the rejects and the statistics of a run are no
    manifests.

    Each local file is opened, and of each remote input one.

    Args:
        inputs: files, folders and globs, as paths or URLs.
        options: fsspec's, by protocol.
        spool: keeps what a pipe gives that is named by hand; without one such an input is refused.
        folder: what a folder is searched for.

    Raises:
        InputError: an input names none, or one that cannot be read.
    """
    return [manifest for each in inputs for manifest in _named_by(each, options, spool, folder)]


def is_manifest_name(path: str) -> bool:
    """Whether a folder that holds a file of this name is searched for it."""
    return _names(MANIFEST_SUFFIXES).fullmatch(path) is not None


def would_find(pattern: str, path: str, options: StorageOptions = NO_OPTIONS, folder: Search = MANIFESTS) -> bool:
    """Whether the input, a folder or a glob, would find a manifest of this path (local or URL), if it were there."""
    place = located(pattern, options)
    with errors_that_name(pattern):
        search = _search(place.fs, place.path, folder)
    root = canonical(place.url(search.root), options)
    path = canonical(path, options)
    return path.startswith(f"{root}/") and search.finds(path[len(root) + 1 :])


def _named_by(pattern: str, options: StorageOptions, spool: Spool | None, folder: Search) -> Iterator[Manifest]:
    try:
        place = located(pattern, options)
        found = _local(place, spool, folder) if is_local(place.fs) else _remote(pattern, place, folder)
        for manifest in found:
            if not _is_utf8(manifest.path):
                raise UnfitError(_why_no_text(manifest.path))
            if manifest.size == 0 and is_compressed(manifest.path):
                raise UnfitError(f"{shown(manifest.path)} is cut off: it is empty, which no compressed file is")
            yield manifest
    except UnfitError as unfit:
        raise InputError(pattern, str(unfit)) from None
    except Exception as error:  # filesystems raise all kinds, and some messages hold what no log may show
        raise InputError(pattern, f"cannot be read ({reason(error)})") from None


def _local(place: Located, spool: Spool | None, folder: Search) -> Iterator[Manifest]:
    is_own = own_descriptor(place.path) is not None
    path = stored_path(place.path) if is_own else place.path
    status = status_of(path)
    if (status and stat.S_ISDIR(status.st_mode)) or (status is None and not os.path.islink(path)):
        yield from _found_locally(_search(place.fs, path, folder))
    elif status is None:
        raise UnfitError(f"is a link to {visible(os.readlink(path))}, which does not exist")
    elif stat.S_ISREG(status.st_mode) and (not is_own or path != place.path):
        yield _local_manifest(path)
    else:
        yield _copied(path, status.st_mode, spool)


def _found_locally(search: Search) -> Iterator[Manifest]:
    paths = [f"{search.root}/{below}" for below in sorted(local_files(search))]
    files = regular_files(paths)
    if not files:
        raise UnfitError(search.nothing_found)
    yield from map(_local_manifest, without_second_names(files, search.root))


def _local_manifest(path: str) -> Manifest:
    info = readable_info(path)
    return Manifest(path, info["size"], version_of(info))


def _copied(path: str, mode: int, spool: Spool | None) -> Manifest:
    """The copy of what can be read only once."""
    if why := why_never_read(path, mode):
        raise UnfitError(why)
    if spool is None:
        kind = special_kind(mode) or "a file without a name"
        why = "which this process alone can read, and not the workers of this runner"
        raise UnfitError(f"is {kind}, {why}; write what it gives to a file, and name that")
    return _local_manifest(spool.copy_of(path))._replace(name=path)


def _remote(pattern: str, place: Located, folder: Search) -> Iterator[Manifest]:
    fs, path, _ = place
    is_folder = pattern.endswith("/") and is_object_store(fs)  # where an object may have a folder's name
    info = None if is_folder else info_of(fs, path)
    if info is not None and info["type"] != "directory":
        found = [(path, info)]
        if info["type"] != "file":
            raise UnfitError(f"is no file (its filesystem calls it {info['type']!r})")
    else:
        search = folder._replace(root=path) if is_folder else _search(fs, path, folder)
        found = sorted(dict(_remote_found(place, search)).items(), key=itemgetter(0))
        if not found:
            bucket = path.partition("/")[0]
            is_gone = is_object_store(fs) and info_of(fs, bucket) is None
            raise UnfitError(f"there is no bucket {bucket}" if is_gone else search.nothing_found)
    manifests = [_remote_manifest(place.url(each), info) for each, info in found]
    _check_readable(place, manifests)
    yield from manifests


def _remote_found(place: Located, search: Search) -> Iterator[tuple[str, dict[str, Any]]]:
    for below, info in remote_files(place.fs, search):
        path = f"{search.root}/{below}"
        if info["type"] == "link":
            info = place.fs.info(path)
        if info["type"] == "file":
            yield path, info
        else:
            kind = "a link to a folder, which is not followed there" if info["type"] == "directory" else "no file"
            _LOG.warning("passes over %s: it is %s", visible(shown(place.url(path))), kind)


def _remote_manifest(url: str, info: dict[str, Any]) -> Manifest:
    size = info.get("size")
    if size is None:
        raise UnfitError(f"{shown(url)} has no known size")
    return Manifest(url, size, version_of(info))


def _check_readable(place: Located, manifests: Sequence[Manifest]) -> None:
    """Reads a byte of the first one that has any. Who may list files may not always read them."""
    for manifest in manifests:
        if manifest.size:
            try:
                _read_byte(place.fs, manifest.path.removeprefix(place.root))
            except Exception as error:
                raise UnfitError(f"{shown(manifest.path)} cannot be read ({reason(error)})") from None
            return


def _read_byte(fs: fsspec.AbstractFileSystem, path: str) -> None:
    if "http" in names_of(fs):  # whose servers may know no ranges, and would send the whole file
        with fs.open(path, "rb", block_size=1, cache_type="none") as file:
            file.read(1)
    else:
        fs.cat_file(path, start=0, end=1)  # gcsfs would start a thread for good to close a file


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _why_no_text(path: str) -> str:
    """Why a name is no text, where it is none: in a locale of ASCII, Python takes any other letter for such a name."""
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError:
        return f"the name of {path!a} is not UTF-8; rename the file"
    encoding = sys.getfilesystemencoding()
    return f"the name of {path!a} cannot be read in this locale ({encoding}); set LC_ALL=C.UTF-8 or PYTHONUTF8=1"


def _search(fs: fsspec.AbstractFileSystem, path: str, folder: Search) -> Search:
    return folder._replace(root=path) if _is_folder(fs, path) else glob_search(*_parted(fs, path))


def _parted(fs: fsspec.AbstractFileSystem, path: str) -> tuple[str, str]:
    """The folder to search, and the glob from there. A folder that exists is itself, whatever is in its name."""
    parts = path.split("/")
    at = 1
    while at < len(parts) - 1 and (not is_glob(parts[at]) or _is_folder(fs, "/".join(parts[: at + 1]))):
        at += 1
    return "/".join(parts[:at]), "/".join(parts[at:])


def _is_folder(fs: fsspec.AbstractFileSystem, path: str) -> bool:
    if is_local(fs):
        status = status_of(path)
        return status is not None and stat.S_ISDIR(status.st_mode)
    info = info_of(fs, path)
    return info is not None and info["type"] == "directory"
