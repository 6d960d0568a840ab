"""The bytes of a manifest, checked against what its store said of it."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Protocol

import fsspec
from fsspec.spec import AbstractBufferedFile

from alm_beam.storage.compression import decompressed, is_compressed
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions, names_of
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.paths import BLOCK_BYTES, is_local, located, version_of
from alm_beam.storage.tally import count

_CHANGED = "it has changed since the run began"


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def seek(self, offset: int, /) -> object: ...


class _Measured:
    """A file of which more or less than its stated size cannot be read in silence."""

    def __init__(self, raw: _Readable, manifest: Manifest):
        self._raw = raw
        self._size = manifest.size
        self._is_counted = is_compressed(manifest.path)  # whose lines tell nothing of what was read
        self._position = 0

    def seek(self, offset: int) -> None:
        self._raw.seek(offset)
        self._position = offset

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end.

        Raises:
            OSError: the file is longer or shorter than stated.
        """
        data = self._raw.read(size)
        self._position += len(data)
        if self._is_counted:
            count(stored=len(data))
        if self._position > self._size or (not data and self._position < self._size):
            has_more = "at least " if data else ""
            raise OSError(f"{_CHANGED}: it has {has_more}{self._position} bytes, and had {self._size}")
        return data


class _Requests:
    """Asks a store for parts of a file, and refuses an answer of another length."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, *, asks_beyond: bool):
        self._fetch = fetch
        self._size = size
        self._asks_beyond = asks_beyond
        self.count = 0

    def __call__(self, start: int, end: int) -> bytes:
        """
        Raises:
            OSError: the answer is longer or shorter than what was asked for.
        """
        self.count += 1
        beyond = self._asks_beyond and end == self._size  # the answer is one byte longer if the file is
        data = self._fetch(start, end + beyond)
        if len(data) != end - start:
            raise OSError(
                f"the store gave {len(data)} bytes from byte {start} on, where its size ({self._size}) lets expect "
                f"{end - start}: the file has changed, or is stored or sent with a Content-Encoding; store it without"
            )
        return data


@contextmanager
def opened(manifest: Manifest, options: StorageOptions = NO_OPTIONS) -> Iterator[IO[bytes]]:
    """The manifest's uncompressed bytes, to `read` and, if it is not compressed, to `seek`.

    Args:
        manifest: as it was found.
        options: fsspec's, by protocol.

    Raises:
        OSError: on entering, while reading and on leaving: the file is another one than was found, has another size
            than was stated, or is stored so that its size does not tell what arrives. Filesystems raise others, too.
    """
    place = located(manifest.path, options)
    if is_local(place.fs):
        with open(place.path, "rb", buffering=0) as raw:
            _refuse_changed(_status_of(raw), manifest)
            yield decompressed(manifest.path, _Measured(raw, manifest))  # type: ignore[arg-type]
            _refuse_changed(_status_of(raw), manifest)
        return
    with _remote(place.fs, place.path, manifest) as raw:
        info = getattr(raw, "details", None) or {}
        _refuse_changed(info, manifest)
        if info.get("contentEncoding"):
            raise OSError(
                f"it is stored with Content-Encoding: {info['contentEncoding']}, which is undone on the way, so its "
                "size does not tell what has to arrive; clear it (gcloud storage objects update "
                "--clear-content-encoding URL), and let the name end in .gz"
            )
        requests = _counted_requests(place.fs, raw, manifest.size)
        yield decompressed(manifest.path, _Measured(raw, manifest))  # type: ignore[arg-type]
        if requests is not None and requests.count > 1:  # some stores would give parts of two files
            place.fs.invalidate_cache()
            _refuse_changed(place.fs.info(place.path), manifest)


def has_changed(info: Mapping[str, Any], manifest: Manifest) -> bool:
    """Whether an opened file is another one than was found, as far as its filesystem tells.

    Args:
        info: what the filesystem told when the file was opened; empty where it told nothing.
        manifest: the file as it was found.
    """
    name, version = version_of(info)
    found, version_found = manifest.version
    size = info.get("size")  # an HTTP server that gives no ranges may state none
    return size not in (None, manifest.size) or (name == found and version != version_found)


def _refuse_changed(info: Mapping[str, Any], manifest: Manifest) -> None:
    if has_changed(info, manifest):
        raise OSError(_CHANGED)


def _status_of(file: IO[bytes]) -> Mapping[str, Any]:
    status = os.fstat(file.fileno())
    return {"size": status.st_size, "mtime": status.st_mtime}


def _remote(fs: fsspec.AbstractFileSystem, path: str, manifest: Manifest) -> Any:
    """The file, opened."""
    if not _is_http(fs):
        return fs.open(path, "rb", block_size=BLOCK_BYTES, cache_type="readahead")
    info = fs.info(path)
    _refuse_changed(info, manifest)
    # What is on the wire, as it is: an answer that was compressed on the way has another length than the file.
    headers = {**fs.kwargs.get("headers", {}), "Accept-Encoding": "identity"}
    block_size = BLOCK_BYTES if info.get("partial", True) else 0
    size = manifest.size  # else fsspec asks for it again, with each header twice
    return fs.open(
        path,
        "rb",
        block_size=block_size,
        cache_type="readahead",
        size=size,
        headers=headers,
        auto_decompress=False,
    )


def _is_http(fs: fsspec.AbstractFileSystem) -> bool:
    return "http" in names_of(fs)


def _counted_requests(fs: fsspec.AbstractFileSystem, file: Any, size: int) -> _Requests | None:
    """What the file's cache asks the store by from now on; None where it is no such file."""
    if not isinstance(file, AbstractBufferedFile):
        return None
    cache: Any = file.cache
    requests = cache.fetcher = _Requests(cache.fetcher, size, asks_beyond=_is_http(fs))
    return requests
