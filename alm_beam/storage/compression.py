"""Compressed manifests, read to the end that they claim to have."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any

from backports.zstd import ZstdError, ZstdFile

DecompressionError = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, ZstdError)
"""What the readers raise on data that is cut off or corrupt. bz2 raises a bare OSError for the latter."""

_READERS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
    ".zst": ZstdFile,
    ".zstd": ZstdFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
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
    name = path.rpartition("/")[2].lower()
    return name[name.rfind(".") :] if "." in name else ""
