"""Fewer requests for the same bytes: ranges of files that are near each other are read as one."""

from collections.abc import Sequence

REQUEST_BYTES = 8 << 20
"""No joined range is longer, unless it is of one line."""

GAP_BYTES = 32 << 10
"""Ranges with gaps up to this size are joined: a request costs more than so many bytes."""


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
