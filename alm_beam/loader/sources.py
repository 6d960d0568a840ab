"""The sources of a loader: folders of cuts, or the windows of one label in a folder."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from alm_beam.core.text import visible
from alm_beam.loader.permutation import Positions
from alm_beam.storage.index.open import Index, open_index
from alm_beam.storage.options import options_by_protocol
from alm_beam.storage.secrets import shown


class SourceError(ValueError):
    """Sources that cannot be read together, or that do not exist.

    >>> from alm_beam.loader import WindowLoader
    >>> WindowLoader([])
    Traceback (most recent call last):
        ...
    alm_beam.loader.sources.SourceError: there is no source
    """


@dataclass(frozen=True)
class Source:
    """A folder of cuts to read, or a part of it.

    Attributes:
        url: folder of cuts with an index; a path or any fsspec URL.
        label: read only the windows with this label (`custom.source` of their cuts); None: all windows.
        weight: how often windows of this source are read, relative to the other sources' weights. Give a weight to all
            sources or to none. Without weights, every window of every source comes once in an epoch.

    >>> from alm_beam.loader import Source, WindowLoader
    >>> loader = WindowLoader(Source(windows, label="meetings"))
    >>> {window["custom"]["source"] for window in loader}
    {'meetings'}
    """

    url: str
    label: str | None = None
    weight: float | None = None


SourceLike: TypeAlias = str | os.PathLike[str] | Source
"""What a caller may give as a source: a path or URL of a folder, or a `Source`."""


@dataclass(frozen=True)
class OpenSource:
    """A source whose index is open: a range of the rows of the index.

    Attributes:
        source: as the caller gave it.
        index: of its folder.
        first: number of its first row in the index.
        rows: number of its rows.
    """

    source: Source
    index: Index
    first: int
    rows: int

    def index_rows(self, numbers: Positions) -> Positions:
        """The rows in the index of windows of the source, given their numbers in the source, from 0."""
        return numbers + self.first

    def durations(self) -> npt.NDArray[np.float64]:
        """Seconds, of each window of the source in their order."""
        found: npt.NDArray[np.float64] = self.index.rows["duration"][self.first : self.first + self.rows]
        return found


def as_sources(given: SourceLike | Sequence[SourceLike]) -> tuple[Source, ...]:
    """A `Source` for each path, URL or `Source` that the caller gave.

    Raises:
        SourceError: there is no source, or only some sources have a weight.
    """
    several = [given] if isinstance(given, (str, os.PathLike, Source)) else given
    sources = tuple(each if isinstance(each, Source) else Source(os.fspath(each)) for each in several)
    if not sources:
        raise SourceError("there is no source")
    without = [number for number, source in enumerate(sources) if source.weight is None]
    if 0 < len(without) < len(sources):
        raise SourceError(f"source {without[0]} has no weight, others have one; give all a weight, or none")
    return sources


def open_sources(sources: Sequence[Source], storage_options: Mapping[str, Any] | None = None) -> tuple[OpenSource, ...]:
    """Opens the index of each folder once.

    Args:
        sources: the sources.
        storage_options: fsspec's, for all of their URLs.

    Raises:
        SourceError: an index has no windows with the label.
        IndexFault, OSError: see `open_index`.
    """
    options = options_by_protocol(storage_options, [source.url for source in sources])
    indexes: dict[str, Index] = {}
    for source in sources:
        if source.url not in indexes:
            indexes[source.url] = open_index(source.url, storage_options=options)
    return tuple(_opened(source, indexes[source.url]) for source in sources)


def _opened(source: Source, index: Index) -> OpenSource:
    if source.label is None:
        return OpenSource(source, index, 0, len(index))
    for label in index.labels:
        if label.label == source.label:
            return OpenSource(source, index, label.first, label.rows)
    found = ", ".join(repr(label.label) for label in index.labels) or "none"
    raise SourceError(f"{visible(shown(source.url))}: has no windows of label {source.label!r}; its labels: {found}")
