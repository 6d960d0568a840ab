"""Paths and URLs as fsspec and as Beam want them."""

import os

import fsspec
from fsspec.core import url_to_fs


def located(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The filesystem of a path or URL, with nothing remembered of earlier listings, and the path on it, absolute."""
    fs, path = url_to_fs(url)
    fs.invalidate_cache()
    return fs, os.path.abspath(path) if is_local(fs) else path.rstrip("/")


def canonical(url: str) -> str:
    """A name that is the same for every spelling of one place: of a local path, without links and `..`."""
    fs, path = located(url)
    return os.path.realpath(path) if is_local(fs) else fs.unstrip_protocol(path)


def beam_path(fs: fsspec.AbstractFileSystem, path: str) -> str:
    """A path on `fs` for Beam, whose filesystems know no `file://`."""
    return path if is_local(fs) else fs.unstrip_protocol(path)


def is_local(fs: fsspec.AbstractFileSystem) -> bool:
    """Whether the filesystem is this machine's own."""
    return "file" in fs.protocol
