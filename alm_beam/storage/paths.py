"""Paths and URLs, and what fsspec tells of the files there."""

import errno
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO, Any, NamedTuple

import fsspec
from fsspec.spec import AbstractBufferedFile

from alm_beam.core.errors import RunError
from alm_beam.core.text import visible
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions, connect, names_of
from alm_beam.storage.limits import what_helps
from alm_beam.storage.secrets import redacted, shown

OBJECT_STORES = frozenset(("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "oci", "obs"))
"""Protocols of stores that have no folders, only names with slashes."""

BLOCK_BYTES = 8 << 20
"""Read ahead, and written, at a time; s3fs's own is 50 MiB for each open file."""

_REMOVALS = 20
"""So often a folder is removed into which another process writes."""

_VERSIONS = ("ETag", "generation", "md5Hash", "mtime", "LastModified")


_URL = re.compile(r"[a-zA-Z][-a-zA-Z0-9+._]*://")

_WRAPPERS = frozenset(("blockcache", "cached", "filecache", "libarchive", "reference", "simplecache", "tar", "zip"))
"""Protocols whose filesystems read from another one."""


class Located(NamedTuple):
    """A place.

    Attributes:
        fs: its filesystem.
        path: on the filesystem; absolute.
        root: what stands before a path in the URLs of this filesystem; empty for the local one.
    """

    fs: fsspec.AbstractFileSystem
    path: str
    root: str

    def url(self, path: str) -> str:
        """The URL, or local path, of a path on the same filesystem."""
        return self.root + path


def located(url: str, options: StorageOptions = NO_OPTIONS) -> Located:
    """The place that a path or URL names, with nothing remembered of earlier listings.

    A local file that is there is itself, whatever its name looks like.

    Raises:
        ValueError: it names none, or a chain of filesystems.
    """
    if ":" in url and not _URL.match(url) and os.path.lexists(url):
        url = os.path.abspath(url)
    if _is_chain(url):
        raise ValueError("a chain of filesystems (::) is not supported, and no file has this name")
    fs, path = connect(url, options)
    fs.invalidate_cache()
    if is_local(fs):
        return Located(fs, os.path.abspath(path), "")
    path, given = path.rstrip("/"), url.rstrip("/")
    if not path or ":///" in given:
        raise ValueError("there is no bucket or folder after ://")
    whole = given if given.endswith(path) else fs.unstrip_protocol(path)
    return Located(fs, path, whole.removesuffix(path))


def _is_chain(url: str) -> bool:
    """Whether `::` joins filesystems in a URL, rather than being a part of a name."""
    first, *others = url.split("::")
    is_wrapped = first.partition("://")[0] in _WRAPPERS or any("://" in each for each in others)
    return bool(others) and is_wrapped and not os.path.isabs(url)


def canonical(url: str, options: StorageOptions = NO_OPTIONS) -> str:
    """A name that is the same for every spelling of one place: of a local path, without links and `..`."""
    fs, path, _ = located(url, options)
    return os.path.realpath(path) if is_local(fs) else str(fs.unstrip_protocol(path))


def is_local(fs: fsspec.AbstractFileSystem) -> bool:
    """Whether the filesystem is this machine's own."""
    return "file" in names_of(fs)


def is_object_store(fs: fsspec.AbstractFileSystem) -> bool:
    """Whether the filesystem has no folders that could be made, or files that could be renamed."""
    return not OBJECT_STORES.isdisjoint(names_of(fs))


def info_of(fs: fsspec.AbstractFileSystem, path: str) -> dict[str, Any] | None:
    """What the filesystem tells of a file or folder; None where there is nothing.

    fsspec's own `exists`, `isfile` and `isdir` say so, too, of what they could not find out.
    """
    try:
        info: dict[str, Any] = fs.info(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        cause = cause_of(error)
        if cause is not error:
            raise cause from None
        return None
    return info


def cause_of(error: BaseException) -> BaseException:
    """The error, or what it comes from: of an HTTP server that refuses, or is not reached, fsspec says "not found"."""
    cause = error.__cause__
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)) or cause is None:
        return error
    is_failure = isinstance(cause, OSError) and not isinstance(cause, (FileNotFoundError, NotADirectoryError))
    return cause if is_failure or getattr(cause, "status", 404) not in (404, 410) else error


def version_of(info: Mapping[str, Any]) -> tuple[str, str]:
    """What changes when a file does: the name of what its filesystem tells, and that; empty where it tells nothing."""
    for name in _VERSIONS:
        if info.get(name):
            return name, str(info[name])
    return "", ""


def modified(info: Mapping[str, Any]) -> float:
    """When a file was last written, in seconds since 1970, as its filesystem tells; 0 where it does not."""
    for name in ("LastModified", "updated", "mtime", "last_modified", "created"):
        when = info.get(name)
        if isinstance(when, int | float):
            return float(when)
        if isinstance(when, datetime):
            return when.timestamp()
    return 0.0


def files_below(fs: fsspec.AbstractFileSystem, root: str, depth: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """The files of a folder, so many levels deep, with what the filesystem tells of each; none where it is missing.

    fsspec's own `find` and `walk` pass over folders that they could not list, even where told to raise.
    """
    try:
        if depth is None and is_object_store(fs):
            yield from ((path, info) for path, info in fs.find(root, detail=True).items() if not path.endswith("/"))
            return
        yield from _files_within(fs, root, depth)
    except FileNotFoundError:
        if info_of(fs, root) is not None:
            raise


def _files_within(
    fs: fsspec.AbstractFileSystem, folder: str, depth: int | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, info in listed_in(fs, folder):
        if info["type"] != "directory":
            yield path, info
        elif depth is None or depth > 1:
            yield from _files_within(fs, path, None if depth is None else depth - 1)


def listed_in(fs: fsspec.AbstractFileSystem, folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The paths of what is in a folder, and what the filesystem tells of each."""
    for info in fs.ls(folder, detail=True):
        path = info["name"].rstrip("/")
        is_marker = path == folder or (info["name"].endswith("/") and info["type"] != "directory")
        if not is_marker:  # of an empty folder in an object store
            yield path, info


def kinds_in(place: Located) -> dict[str, str]:
    """The names in a folder, and the kind of each; none where it is missing."""
    try:
        found = place.fs.ls(place.path, detail=True)
    except FileNotFoundError:
        return {}  # an object store has no empty folder; that there is no bucket shows when it is written to
    names = ((info["name"].rstrip("/").rpartition("/")[2], info["type"]) for info in found)
    return {name: kind for name, kind in names if name}


def content_of(fs: fsspec.AbstractFileSystem, path: str) -> bytes | None:
    """What a file holds; None where it is missing."""
    try:
        return bytes(fs.cat_file(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def make_folder(fs: fsspec.AbstractFileSystem, path: str) -> None:
    """Makes the folder and those above it, unless they exist; in an object store, nothing: there, a bucket would be."""
    if not is_object_store(fs):
        fs.makedirs(path, exist_ok=True)


def remove_folder(fs: fsspec.AbstractFileSystem, path: str) -> None:
    """Removes a folder, or a file, and all in it, also while another process writes there.

    Raises:
        OSError: it cannot be removed, or the other process writes faster than files are removed.
    """
    for attempt in range(_REMOVALS):
        try:
            fs.rm(path, recursive=True)
            return
        except OSError as error:
            is_used = isinstance(error, FileNotFoundError) or error.errno == errno.ENOTEMPTY
            if not is_used or attempt == _REMOVALS - 1:
                raise
        fs.invalidate_cache()
        if not fs.exists(path):
            return


def move(fs: fsspec.AbstractFileSystem, sources: list[str], destinations: list[str]) -> None:
    """Renames files; in an object store, which cannot, the server copies each once, and the sources are deleted."""
    if is_object_store(fs):
        fs.copy(sources, destinations, on_error="raise")
        fs.rm(sources)
    else:
        for source, destination in zip(sources, destinations):
            fs.mv(source, destination)


@contextmanager
def written_whole(fs: fsspec.AbstractFileSystem, path: str, temporary: str) -> Iterator[IO[bytes]]:
    """A file to write to; it is in place, whole, when the block ends, and not at all where that fails.

    Args:
        fs: the filesystem.
        path: of the file; its folder is made.
        temporary: a folder for what is not whole yet. An object store needs none: there, nothing is to be seen before
            a file is closed.
    """
    is_store = is_object_store(fs)
    written = path if is_store else f"{temporary}/{uuid.uuid4().hex}"
    for folder in (temporary, path.rpartition("/")[0]):
        make_folder(fs, folder)
    file = fs.open(written, "wb", block_size=BLOCK_BYTES)
    try:
        yield file
        file.close()
        if not is_store:
            move(fs, [written], [path])
    except BaseException:
        with suppress(Exception):
            _abandon(fs, file, written)
        raise


def _abandon(fs: fsspec.AbstractFileSystem, file: Any, path: str) -> None:
    """Closes a file so that nothing of it is left."""
    if isinstance(file, AbstractBufferedFile):
        file.closed = True
        file.discard()
    else:
        file.close()
        fs.rm_file(path)


@contextmanager
def errors_that_name(url: str) -> Iterator[None]:
    """Turns whatever a filesystem raises into an OSError that says where, and no secret.

    It is of the same kind where that is FileNotFoundError or PermissionError.
    """
    try:
        yield
    except RunError:
        raise
    except Exception as found:
        error = cause_of(found)
        kind = next((kind for kind in (FileNotFoundError, PermissionError) if isinstance(error, kind)), OSError)
        # Without the error itself: a log would show it, and what it says may hold a query string or a credential.
        raise kind(visible(f"{shown(url)}: {reason(error)}")) from None


def reason(error: BaseException) -> str:
    """What the error says, without secrets; its kind where that is not clear from it."""
    text = redacted(" ".join(str(error).split()))
    if isinstance(error, FileNotFoundError):
        return f"does not exist ({text})" if " " in text else "does not exist"
    if isinstance(error, PermissionError):
        return f"access is denied ({text})"
    if help_text := what_helps(error):
        return f"{text or type(error).__name__}; {help_text}"
    if isinstance(error, OSError | ValueError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
