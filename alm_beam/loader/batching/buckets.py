"""Buckets: windows of similar lengths, from which batches are made."""

from typing import NamedTuple


class Bucket(NamedTuple):
    """Windows up to a length, and how many of them make a batch.

    Attributes:
        size: windows of a batch.
        longest: samples of its longest windows.

    >>> Bucket(size=8, longest=320_000).longest
    320000
    """

    size: int
    longest: int
