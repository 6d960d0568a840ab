"""Compressed manifests, read to the end that they claim to have."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any

from backports.zstd import ZstdError, ZstdFile

from alm_beam.storage.secrets import shown

DecompressionError = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, ZstdError)
"""What the readers raise on data that is cut off or corrupt; bz2 raises a bare OSError for the latter."""

_CHUNK = 1 << 16


class _Streams(io.RawIOBase):
    """The uncompressed bytes of a file of one or more compressed streams.

    The standard library's readers of bz2 and xz take whatever follows the first stream, and is no stream itself, for
    padding: a file whose second stream is damaged would be read as a short one.
    """

    def __init__(self, raw: IO[bytes], new_stream: Callable[[], Any]):
        self._raw = raw
        self._new_stream = new_stream
        self._stream = new_stream()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b""
        while not data:
            compressed = b""
            if self._stream.eof:
                compressed = self._behind_stream()
                if not compressed:
                    return 0
                self._stream = self._new_stream()
            elif self._stream.needs_input:
                compressed = self._raw.read(_CHUNK)
                if not compressed:
                    raise EOFError("the data ends before its end-of-stream marker")
            data = self._stream.decompress(compressed, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _behind_stream(self) -> bytes:
        """The beginning of the next stream, without the zeros that xz allows between two; empty at the end."""
        behind: bytes = self._stream.unused_data
        while not behind.lstrip(b"\0"):
            behind = self._raw.read(_CHUNK)
            if not behind:
                break
        return behind.lstrip(b"\0")


_READERS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
    ".zst": ZstdFile,
    ".zstd": ZstdFile,
    ".bz2": lambda raw: io.BufferedReader(_Streams(raw, bz2.BZ2Decompressor)),
    ".xz": lambda raw: io.BufferedReader(_Streams(raw, lzma.LZMADecompressor)),
}


def is_compressed(path: str) -> bool:
    """Whether the name's ending says that the file is compressed."""
    return _suffix(path) in _READERS


def decompressed(path: str, raw: IO[bytes]) -> IO[bytes]:
    """A reader of the uncompressed bytes of `raw`, a file of the given name.

    Unlike Beam's own, it raises (one of DecompressionError) where the data ends before its end-of-stream marker or
    fails its checksum.
    """
    reader = _READERS.get(_suffix(path))
    return reader(raw) if reader else raw


def _suffix(path: str) -> str:
    name = shown(path).rpartition("/")[2].lower()
    return name[name.rfind(".") :] if "." in name else ""
