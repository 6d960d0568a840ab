"""A plugin for other Beam jobs: Beam's own `ReadFromText`, `WriteToText` and the like take any URL that fsspec knows.

Nothing in this package imports it. Whoever imports it asks for it, as `--beam_plugin=alm_beam.runners.filesystem` does
in each worker of a job: from then on fsspec serves every scheme of Beam's `FileSystems` in that process.
"""

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import fsspec
from apache_beam.io import filesystems  # noqa: F401 (brings Beam's own filesystems, which have to be there first)
from apache_beam.io.filesystem import BeamIOError, CompressedFile, CompressionTypes, FileMetadata, FileSystem
from fsspec.spec import AbstractBufferedFile

from alm_beam.storage.paths import (
    BLOCK_BYTES,
    Located,
    errors_that_name,
    files_below,
    info_of,
    is_object_store,
    located,
    make_folder,
    modified,
    move,
)
from alm_beam.storage.search import BEAM_TEMPORARY
from alm_beam.storage.secrets import shown

_NO_SCHEME = "-"
"""What no URL begins with."""


class FsspecFileSystem(FileSystem):
    """A Beam filesystem on fsspec's; each scheme has a subclass. Every error is an OSError that names the URL."""

    CHUNK_SIZE = 1000  # files that Beam hands over to be renamed at a time: as many as S3 deletes by one request
    _scheme = _NO_SCHEME

    @classmethod
    def scheme(cls) -> str:
        return cls._scheme

    def join(self, basepath: str, *paths: str) -> str:
        start = basepath if basepath.endswith("://") else basepath.rstrip("/") + "/"
        return start + "/".join(path.strip("/") for path in paths)

    def split(self, path: str) -> tuple[str, str]:
        scheme, _, rest = path.partition("://")
        head, slash, tail = rest.rpartition("/")
        return (f"{scheme}://{head}", tail) if slash else (path, "")

    def mkdirs(self, path: str) -> None:
        with errors_that_name(path):
            place = _located(path)
            make_folder(place.fs, place.path)

    def has_dirs(self) -> bool:
        return False  # so that Beam hands `_list` the whole of a glob before its first wildcard

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        folder, _, stem = dir_or_prefix.rpartition("/")
        with errors_that_name(dir_or_prefix):
            place = _located(folder)
            found = _below(place, stem)
        for path, info in found:
            url = place.url(path)
            parts = url.removeprefix(dir_or_prefix).split("/")
            # What a crashed run left is no part of a folder's content, unless it is what is asked for.
            if url.startswith(dir_or_prefix) and not any(part.startswith(BEAM_TEMPORARY) for part in parts):
                yield _metadata(url, info)

    def create(
        self,
        path: str,
        mime_type: str = "application/octet-stream",
        compression_type: str = CompressionTypes.AUTO,
    ) -> Any:
        return self._opened(path, "wb", compression_type)

    def open(
        self,
        path: str,
        mime_type: str = "application/octet-stream",
        compression_type: str = CompressionTypes.AUTO,
    ) -> Any:
        return self._opened(path, "rb", compression_type)

    def _opened(self, path: str, mode: str, compression_type: str) -> Any:
        with errors_that_name(path):
            place = _located(path)
            # gcsfs would make a request for each read, however small.
            file = place.fs.open(place.path, mode, block_size=BLOCK_BYTES, cache_type="readahead")
        file = _File(file, path, mode)
        compression_type = self._get_compression_type(path, compression_type)
        return file if compression_type == CompressionTypes.UNCOMPRESSED else CompressedFile(file, compression_type)

    def copy(self, source_file_names: Sequence[str], destination_file_names: Sequence[str]) -> None:
        self._moved("Copy", source_file_names, destination_file_names, _copy)

    def rename(self, source_file_names: Sequence[str], destination_file_names: Sequence[str]) -> None:
        self._moved("Rename", source_file_names, destination_file_names, move)

    def _moved(
        self,
        what: str,
        sources: Sequence[str],
        destinations: Sequence[str],
        do: Callable[[fsspec.AbstractFileSystem, list[str], list[str]], None],
    ) -> None:
        if len(sources) != len(destinations):
            raise BeamIOError(f"{what} needs as many destinations as sources")
        if not sources:
            return
        first = _located(sources[0])
        try:
            with errors_that_name(self.split(destinations[0])[0]):
                do(first.fs, [*map(_path, sources)], [*map(_path, destinations)])
        except OSError as error:
            raise BeamIOError(f"{what} failed", dict.fromkeys(zip(sources, destinations), error)) from None

    def exists(self, path: str) -> bool:
        return _info(path) is not None

    def size(self, path: str) -> int:
        return int(self.metadata(path).size_in_bytes)

    def last_updated(self, path: str) -> float:
        return float(self.metadata(path).last_updated_in_seconds)

    def checksum(self, path: str) -> str:
        info = _file_info(path)
        return str(info.get("ETag") or info.get("md5Hash") or info.get("checksum") or (info["size"], modified(info)))

    def metadata(self, path: str) -> FileMetadata:
        return _metadata(path, _file_info(path))

    def delete(self, paths: Sequence[str]) -> None:
        errors = {}
        for path in paths:
            try:
                with errors_that_name(path):
                    _delete(_located(path))
            except FileNotFoundError:
                continue  # Beam deletes again what an earlier attempt has deleted
            except OSError as error:
                errors[path] = error
        if errors:
            raise BeamIOError("Delete failed", errors)


class _File(io.BufferedIOBase):
    """A file of fsspec's as Beam wants it: with a mode, and with errors that name it."""

    def __init__(self, file: IO[bytes], url: str, mode: str):
        self._file = file
        self._url = url
        self.mode = mode

    def readable(self) -> bool:
        return self.mode == "rb"

    def writable(self) -> bool:
        return self.mode == "wb"

    def seekable(self) -> bool:
        return self.mode == "rb"

    def read(self, size: int | None = -1) -> bytes:
        with errors_that_name(self._url):
            return self._file.read(-1 if size is None else size)

    def read1(self, size: int = -1) -> bytes:
        return self.read(BLOCK_BYTES if size < 0 else size)

    def readline(self, size: int | None = -1) -> bytes:
        with errors_that_name(self._url):
            return self._file.readline(*(() if size is None or size < 0 else (size,)))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with errors_that_name(self._url):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: Any) -> int:
        with errors_that_name(self._url):
            return self._file.write(data)

    def flush(self) -> None:
        """Nothing: stores take a file in parts of a least size, and have it when it is closed."""

    def close(self) -> None:
        if not self.closed:
            super().close()
            with errors_that_name(self._url):
                self._file.close()

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if kind is not None and self.writable() and isinstance(self._file, AbstractBufferedFile):
            super().close()
            self._file.closed = True  # or the half of it would be taken for a whole one
            with contextlib.suppress(Exception):
                self._file.discard()
        self.close()


def _serve() -> None:
    """Lets fsspec serve all schemes that it knows.

    Beam refuses a scheme that two classes claim, and has no way to withdraw one: so its own classes claim none.
    """
    schemes = sorted(fsspec.available_protocols())
    for kind in FileSystem.get_all_subclasses():
        if kind.scheme() in schemes:
            kind.scheme = classmethod(lambda _: _NO_SCHEME)
    for scheme in schemes:
        _ours.append(type(f"Fsspec_{scheme}", (FsspecFileSystem,), {"_scheme": scheme, "__module__": __name__}))


_ours: list[type[FsspecFileSystem]] = []
"""A class lasts as long as something refers to it."""


def _below(place: Located, stem: str) -> list[tuple[str, dict[str, Any]]]:
    """The files of a folder whose names begin so, or more."""
    if not is_object_store(place.fs):
        return list(files_below(place.fs, place.path, None))
    found = place.fs.find(place.path, prefix=stem, detail=True)
    return [(path, info) for path, info in found.items() if not path.endswith("/")]


def _located(url: str) -> Located:
    place = located(url)
    return place if place.root else place._replace(root=f"{url.partition('://')[0]}://")  # `file` is a scheme here


def _path(url: str) -> str:
    return _located(url).path


def _info(url: str) -> dict[str, Any] | None:
    with errors_that_name(url):
        place = _located(url)
        return info_of(place.fs, place.path)


def _file_info(url: str) -> dict[str, Any]:
    info = _info(url)
    if info is None or info["type"] == "directory":
        why = "does not exist" if info is None else "is a folder"
        raise BeamIOError(f"{shown(url)}: {why}")
    return info


def _metadata(url: str, info: dict[str, Any]) -> FileMetadata:
    return FileMetadata(url, int(info["size"] or 0), modified(info))


def _copy(fs: fsspec.AbstractFileSystem, sources: list[str], destinations: list[str]) -> None:
    fs.copy(sources, destinations, on_error="raise")


def _delete(place: Located) -> None:
    fs, path, _ = place
    info = info_of(fs, path)
    if info is not None and info["type"] == "file":
        fs.rm_file(path)
    elif info is not None:
        fs.rm(path, recursive=True)


_serve()
