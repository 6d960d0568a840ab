"""What is read: folders of cuts, or the windows of one label in them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from alm_beam.storage.index.open import Index, open_index
from alm_beam.storage.secrets import shown


class SourceError(ValueError):
    """Sources that cannot be read together, or that are not there."""


@dataclass(frozen=True)
class Source:
    """Windows to read.

    Attributes:
        url: folder of cuts that has an index; a path or any fsspec URL.
        label: read the windows of this source of the manifests alone; all of them when None.
        weight: its share of the mixture, in proportion to the others' weights. Given for all sources or for none.
    """

    url: str
    label: str | None = None
    weight: float | None = None


SourceLike: TypeAlias = str | os.PathLike[str] | Source
"""What a caller may name a source by."""


@dataclass(frozen=True)
class OpenSource:
    """Windows that were found: a range of the rows of an index.

    Attributes:
        source: as asked for.
        index: of its folder.
        first: number of its first row.
        rows: how many.
    """

    source: Source
    index: Index
    first: int
    rows: int


def as_sources(given: SourceLike | Sequence[SourceLike]) -> tuple[Source, ...]:
    """The sources that a caller named, by their URLs or in full.

    Raises:
        SourceError: there is none, or some have a weight and others not.
    """
    several = [given] if isinstance(given, (str, os.PathLike, Source)) else given
    sources = tuple(each if isinstance(each, Source) else Source(os.fspath(each)) for each in several)
    if not sources:
        raise SourceError("there is no source")
    without = [number for number, source in enumerate(sources) if source.weight is None]
    if 0 < len(without) < len(sources):
        raise SourceError(f"source {without[0]} has no weight, others have one; give all a weight, or none")
    return sources


def open_sources(sources: Sequence[Source]) -> tuple[OpenSource, ...]:
    """Opens the index of each folder once.

    Raises:
        SourceError: an index has no windows of the label.
        IndexFault, OSError: see `open_index`.
    """
    indexes: dict[str, Index] = {}
    for source in sources:
        if source.url not in indexes:
            indexes[source.url] = open_index(source.url)
    return tuple(_opened(source, indexes[source.url]) for source in sources)


def _opened(source: Source, index: Index) -> OpenSource:
    if source.label is None:
        return OpenSource(source, index, 0, len(index))
    for label in index.labels:
        if label.label == source.label:
            return OpenSource(source, index, label.first, label.rows)
    found = ", ".join(repr(label.label) for label in index.labels) or "none"
    raise SourceError(f"{shown(source.url)}: has no windows of label {source.label!r}; its labels: {found}")
