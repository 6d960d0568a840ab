"""The bytes of an audio file: local ones by a descriptor, remote ones by ranges, others by a copy on this machine."""

import errno
import io
import os
import shutil
import stat
import tempfile
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec

from alm_beam.audio.faults import audio_fault
from alm_beam.core.faults import RejectReason
from alm_beam.core.text import visible
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions, names_of
from alm_beam.storage.local_files import special_kind
from alm_beam.storage.paths import BLOCK_BYTES, cause_of, errors_that_name, info_of, is_local, located, reason
from alm_beam.storage.secrets import shown

_FIRST_BYTES = 1 << 16
_KEPT_RANGES = 4


class Source(io.RawIOBase):
    """The bytes of a file, from any place in it.

    What a decoder in C calls cannot raise through it. So a read that fails gives no bytes, and `raise_fault` tells.

    Attributes:
        url: of the file.
        size: bytes.
        descriptor: of the file, or of its copy, on this machine; None where it is read by ranges.
    """

    def __init__(self, url: str, size: int, descriptor: int | None):
        super().__init__()
        self.url = url
        self.size = size
        self.descriptor = descriptor
        self._position = 0
        self._fault: BaseException | None = None
        self._amended: dict[int, bytes] = {}

    @property
    def is_amended(self) -> bool:
        """Whether `readinto` gives other bytes than the file has."""
        return bool(self._amended)

    def amend(self, offset: int, data: bytes) -> None:
        """Lets `readinto` give these bytes there."""
        self._amended[offset] = data

    @abstractmethod
    def at(self, offset: int, count: int) -> bytes:
        """The bytes from there on; fewer at the end of the file.

        Raises:
            BadEntry: the store refuses, or does not have the file any more.
            OSError: the store does not give them.
        """

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer from the position on; 0 bytes where that fails."""
        view = memoryview(buffer).cast("B")
        try:
            data = self.at(self._position, len(view))
        except BaseException as fault:
            self._fault = self._fault or fault
            return 0
        view[: len(data)] = data
        for offset, other in self._amended.items():
            for at, byte in enumerate(other, offset - self._position):
                if 0 <= at < len(data):
                    view[at] = byte
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Sets the position, as files do."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def raise_fault(self) -> None:
        """Raises what kept `readinto` from giving bytes, if anything did."""
        if self._fault is not None:
            raise self._fault


class _LocalSource(Source):
    def __init__(self, url: str, descriptor: int):
        super().__init__(url, os.fstat(descriptor).st_size, descriptor)
        self._descriptor = descriptor

    def at(self, offset: int, count: int) -> bytes:
        with errors_that_name(self.url):
            return os.pread(self._descriptor, count, offset)


class _RangedSource(Source):
    """Few requests, and few bytes: reading on asks for twice as much as before, up to 8 MiB; a jump begins anew."""

    def __init__(self, url: str, raw: Any, size: int):
        super().__init__(url, size, None)
        self._raw = raw
        self._ranges: OrderedDict[int, bytes] = OrderedDict()
        self._length = _FIRST_BYTES
        self._end = 0

    def at(self, offset: int, count: int) -> bytes:
        found = []
        while count > 0 and offset < self.size:
            start, data = self._range_with(offset)
            part = data[offset - start : offset - start + count]
            found.append(part)
            offset += len(part)
            count -= len(part)
        return found[0] if len(found) == 1 else b"".join(found)

    def _range_with(self, offset: int) -> tuple[int, bytes]:
        for start, data in reversed(self._ranges.items()):
            if start <= offset < start + len(data):
                return start, data
        reads_on = 0 <= offset - self._end <= self._length and offset > 0
        self._length = min(2 * self._length, BLOCK_BYTES) if reads_on else _FIRST_BYTES
        data = self._fetched(offset, min(offset + self._length, self.size))
        if len(self._ranges) == _KEPT_RANGES:
            self._ranges.popitem(last=False)
        self._ranges[offset] = data
        self._end = offset + len(data)
        return offset, data

    def _fetched(self, start: int, end: int) -> bytes:
        with _refusals_named(self.url):
            self._raw.seek(start)
            data: bytes = self._raw.read(end - start)
            if len(data) != end - start:
                raise OSError(f"the store gave {len(data)} bytes from byte {start} on, and not {end - start}")
            return data


@contextmanager
def opened_source(url: str, options: StorageOptions = NO_OPTIONS) -> Iterator[Source]:
    """The bytes of a file.

    Args:
        url: a local path, or any URL of fsspec's.
        options: fsspec's, by protocol.

    Raises:
        BadEntry: there is no such file, it may not be read, it is empty, or is none.
        OSError: its store fails. This says nothing of the file.
    """
    fs, path = _place(url, options)
    if is_local(fs):
        with _local(url, path) as descriptor:
            yield _LocalSource(url, descriptor)
        return
    with _refusals_named(url):
        info = info_of(fs, path)
    if info is None:
        raise audio_fault(RejectReason.AUDIO_MISSING, url, "does not exist")
    if info["type"] == "directory":
        raise audio_fault(RejectReason.AUDIO_UNREADABLE, url, "is a folder", "name a file in it")
    if info["size"] == 0:
        raise audio_fault(RejectReason.AUDIO_EMPTY, url, "has no bytes")
    with _refusals_named(url):
        raw = _opened_raw(fs, path, info)
    with raw:
        if info["size"] is not None and _gives_ranges(raw, fs, info["size"]):
            yield _RangedSource(url, raw, info["size"])
            return
    with _spooled(url, fs, path) as copy:
        yield _LocalSource(url, copy)


@contextmanager
def on_this_machine(source: Source) -> Iterator[Source]:
    """The source if it is a file here, or else a copy of it that lasts as long as the block."""
    if source.descriptor is not None:
        yield source
        return
    with tempfile.TemporaryFile() as copy:
        for offset in range(0, source.size, BLOCK_BYTES):
            data = source.at(offset, BLOCK_BYTES)
            with _copying(source.url):
                copy.write(data)
        copy.flush()
        yield _LocalSource(source.url, copy.fileno())


def _place(url: str, options: StorageOptions) -> tuple[fsspec.AbstractFileSystem, str]:
    try:
        fs, path, _ = located(url, options)
    except ValueError as error:
        raise audio_fault(RejectReason.AUDIO_MISSING, url, f"names no file: {reason(error)}") from None
    except ImportError as error:
        with errors_that_name(url):
            raise error
    return fs, path


@contextmanager
def _local(url: str, path: str) -> Iterator[int]:
    with _refusals_named(url):
        status = os.stat(path)
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else special_kind(status.st_mode)
    if kind:
        raise audio_fault(RejectReason.AUDIO_UNREADABLE, url, f"is {kind}, and no file", "name a file")
    if status.st_size == 0:
        raise audio_fault(RejectReason.AUDIO_EMPTY, url, "has no bytes")
    with _refusals_named(url):
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _refusals_named(url: str) -> Iterator[None]:
    """Turns what a store says of this very file into the entry's fault, and all else into an OSError that names it."""
    try:
        with errors_that_name(url):
            try:
                yield
            except Exception as error:
                status = getattr(cause_of(error), "status", None)
                if status in (401, 403):
                    raise PermissionError(f"the server answers {status}") from None
                if isinstance(error, NotADirectoryError) or _is_no_name(error):
                    raise FileNotFoundError(reason(error)) from None
                raise
    except FileNotFoundError:
        raise audio_fault(RejectReason.AUDIO_MISSING, url, "does not exist") from None
    except PermissionError:
        raise audio_fault(RejectReason.AUDIO_DENIED, url, "may not be read") from None


def _is_no_name(error: Exception) -> bool:
    is_too_long = isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP)
    return is_too_long or (isinstance(error, ValueError) and "null byte" in str(error))


def _opened_raw(fs: fsspec.AbstractFileSystem, path: str, info: dict[str, Any]) -> Any:
    """The remote file, without a cache of fsspec's."""
    if "http" not in names_of(fs):
        return fs.open(path, "rb", block_size=_FIRST_BYTES, cache_type="none")
    headers = {**fs.kwargs.get("headers", {}), "Accept-Encoding": "identity"}
    block_size = _FIRST_BYTES if info["size"] and info.get("partial", True) else 0
    more = {"size": info["size"], "headers": headers, "auto_decompress": False}
    return fs.open(path, "rb", block_size=block_size, cache_type="none", **more)


def _gives_ranges(raw: Any, fs: fsspec.AbstractFileSystem, size: int) -> bool:
    if not raw.seekable():
        return False
    if "http" not in names_of(fs) or size < 2:
        return True
    try:
        raw.seek(size - 1)
        return len(raw.read(1)) == 1
    except ValueError:  # of fsspec, where the server sends all of the file
        return False
    finally:
        raw.seek(0)


@contextmanager
def _spooled(url: str, fs: fsspec.AbstractFileSystem, path: str) -> Iterator[int]:
    with tempfile.TemporaryFile() as copy:
        with _refusals_named(url), fs.open(path, "rb", block_size=0) as raw:
            shutil.copyfileobj(raw, copy, _FIRST_BYTES)
        copy.flush()
        if not os.fstat(copy.fileno()).st_size:
            raise audio_fault(RejectReason.AUDIO_EMPTY, url, "has no bytes")
        yield copy.fileno()


@contextmanager
def _copying(url: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"cannot be copied to {tempfile.gettempdir()}"
        raise OSError(
            f"{visible(shown(url))} {where} ({reason(error)}); TMPDIR may name a folder with more room"
        ) from None
