"""Compressed manifests, read to the end that they claim to have."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any, NamedTuple

from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

from alm_beam.core.file_kinds import described_bytes
from alm_beam.storage.secrets import shown

_CHUNK = 1 << 16

_WINDOW_LOG = 29
"""What zstd --long=29 needs, 512 MiB: how far back a compressed file may refer is memory that reading it takes."""

_XZ_BYTES = (1 << _WINDOW_LOG) + (64 << 20)


class DecompressionError(OSError):
    """Compressed data is cut off, corrupt, of another kind than the name says, or takes too much memory to read."""


class _GzipStream:
    """zlib's decompressor with the attributes of the others."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._had_all = False

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    @property
    def needs_input(self) -> bool:
        return self._had_all and not self._stream.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        found = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self._had_all = len(found) < max_length  # else it may hold more than it gave
        return found


class _Kind(NamedTuple):
    """A kind of compression.

    Attributes:
        name: of the kind, as people call it.
        new_stream: makes a decompressor for one stream.
    """

    name: str
    new_stream: Callable[[], Any]


def _zstd_stream() -> ZstdDecompressor:
    stream: ZstdDecompressor = ZstdDecompressor(options={DecompressionParameter.window_log_max: _WINDOW_LOG})
    return stream


def _xz_stream() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=_XZ_BYTES)


_ZSTD = _Kind("zstd", _zstd_stream)
_KINDS = {
    ".gz": _Kind("gzip", _GzipStream),
    ".zst": _ZSTD,
    ".zstd": _ZSTD,
    ".bz2": _Kind("bzip2", bz2.BZ2Decompressor),
    ".xz": _Kind("xz", _xz_stream),
}


class _Streams(io.RawIOBase):
    """The uncompressed bytes of a file of one or more compressed streams.

    The standard library's readers of bz2 and xz take whatever follows the first stream, and is no stream itself, for
    padding: a file whose second stream is damaged would be read as a short one.
    """

    def __init__(self, raw: IO[bytes], kind: _Kind):
        self._raw = raw
        self._kind = kind
        self._stream = kind.new_stream()
        self._first: bytes | None = None  # bytes of the stream, until it has given some
        self._is_first = True
        self._bytes_read = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none at the end.

        Raises:
            DecompressionError: the data ends early, or is damaged.
        """
        if size < 0:
            return self.readall() or b""
        found = b""
        while not found and size:
            compressed = b""
            if self._stream.eof:
                compressed = self._behind_stream()
                if not compressed:
                    return b""
                self._stream, self._first, self._is_first = self._kind.new_stream(), None, False
            elif self._stream.needs_input or self._first is None:
                compressed = self._read_raw()
                if not compressed:
                    raise DecompressionError(self._cut_off())
            if self._first is None:
                self._first = compressed
            found = self._decompressed(compressed, size)
        return found

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read_raw(self) -> bytes:
        data = self._raw.read(_CHUNK)
        self._bytes_read += len(data)
        return data

    def _decompressed(self, compressed: bytes, size: int) -> bytes:
        try:
            found: bytes = self._stream.decompress(compressed, size)
        except (OSError, EOFError, zlib.error, lzma.LZMAError, ZstdError) as error:
            raise DecompressionError(self._fault(" ".join(str(error).split()))) from None
        return found

    def _cut_off(self) -> str:
        if not self._bytes_read:
            return f"cut off: it is empty, which no {self._kind.name} file is"
        return (
            f"the compressed data is cut off or corrupt (the file ends after {self._bytes_read} bytes, within its "
            f"{self._kind.name} data)"
        )

    def _fault(self, message: str) -> str:
        """What is wrong, from the message of a decompressor."""
        if "too much memory" in message or "emory usage limit" in message:
            mib = 1 << (_WINDOW_LOG - 20)
            again = " (zstd -dc --long=31 OLD | zstd --long=27 -o NEW)" if self._kind is _ZSTD else ""
            return f"its window is above the limit of {mib} MiB; compress it anew with a smaller one{again}"
        begins = self._first or b""
        found = described_bytes(begins)
        if self._is_first and found and found != self._kind.name:
            return (
                f"the compressed data is cut off or corrupt (it is no {self._kind.name}, as its name says: it looks "
                f"like {found}; rename it, or compress it)"
            )
        if not self._is_first and found != self._kind.name:
            return (
                f"the compressed data is cut off or corrupt (whole {self._kind.name} data is followed by what is none, "
                f"before byte {self._bytes_read}: {begins[:16]!r}; if that is nothing, cut it off)"
            )
        return f"the compressed data is cut off or corrupt ({message}, before byte {self._bytes_read})"

    def _behind_stream(self) -> bytes:
        """The beginning of the next stream, without the zeros that xz allows between two; empty at the end."""
        behind: bytes = self._stream.unused_data
        while not behind.lstrip(b"\0"):
            behind = self._read_raw()
            if not behind:
                break
        return behind.lstrip(b"\0")


def is_compressed(path: str) -> bool:
    """Whether the name's ending says that the file is compressed."""
    return _suffix(path) in _KINDS


def decompressed(path: str, raw: IO[bytes]) -> IO[bytes]:
    """A reader of the uncompressed bytes of `raw`, a file of the given name.

    Unlike Beam's own, it raises DecompressionError where the data ends before its end-of-stream marker, fails its
    checksum, or is followed by other data.
    """
    kind = _KINDS.get(_suffix(path))
    return _Streams(raw, kind) if kind else raw  # type: ignore[return-value]


def stored_position(file: IO[bytes]) -> int:
    """How many bytes of a compressed file, as stored, a reader of `decompressed` has taken."""
    if not isinstance(file, _Streams):
        raise TypeError("the file is not compressed")
    return file._bytes_read


def _suffix(path: str) -> str:
    name = shown(path).rpartition("/")[2].lower()
    return name[name.rfind(".") :] if "." in name else ""
