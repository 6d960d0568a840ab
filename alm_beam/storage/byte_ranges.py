"""Ranges of bytes of files: those that are near each other are read as one, and many of them at a time."""

from collections.abc import Sequence
from typing import Literal

from fsspec import AbstractFileSystem
from fsspec.asyn import AsyncFileSystem

REQUEST_BYTES = 8 << 20
"""No joined range is longer, unless it is of one line."""

GAP_BYTES = 32 << 10
"""Ranges with gaps up to this size are joined: a request costs more than so many bytes."""

REQUESTS_AT_A_TIME = 64
"""Of one call. A client of a store has 10 (s3fs) to 100 connections; a thousand requests that wait for them, as fsspec
would let them, take a third longer."""


def joined_ranges(files: Sequence[int], starts: Sequence[int], ends: Sequence[int]) -> list[tuple[int, int, int]]:
    """Fewer byte ranges, (file, start, end), that cover the given ones. These must be sorted.

    >>> joined_ranges([0, 0, 1], [0, 150, 0], [100, 250, 9])
    [(0, 0, 250), (1, 0, 9)]
    """
    found: list[tuple[int, int, int]] = []
    for file, start, end in zip(files, starts, ends):
        if found:
            last, first, last_end = found[-1]
            if last == file and start - last_end <= GAP_BYTES and max(end, last_end) - first <= REQUEST_BYTES:
                found[-1] = (file, first, max(end, last_end))
                continue
        found.append((file, start, end))
    return found


def read_ranges(
    fs: AbstractFileSystem,
    paths: list[str],
    starts: list[int],
    ends: list[int],
    *,
    on_error: Literal["raise", "return"] = "raise",
) -> list[bytes | BaseException]:
    """The bytes of ranges, several at a time if they are remote.

    Args:
        fs: of the files.
        paths: the file of each range.
        starts: the first byte of each range.
        ends: the byte after the last one of each range.
        on_error: "return": what kept a range from being read is in its place.

    Raises:
        OSError: a range could not be read, and it is not returned.

    >>> import fsspec
    >>> fs = fsspec.filesystem("memory")
    >>> fs.pipe_file("/file", b"0123456789")
    >>> read_ranges(fs, ["/file", "/file"], [0, 5], [2, 9])
    [b'01', b'5678']
    """
    more = {}
    if isinstance(fs, AsyncFileSystem) and fs.batch_size is None:  # which its user may have stated
        more["batch_size"] = REQUESTS_AT_A_TIME
    found: list[bytes | BaseException] = fs.cat_ranges(paths, starts, ends, on_error=on_error, **more)
    return found
