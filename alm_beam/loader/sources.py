"""The sources of a loader: folders of cuts, or the windows of one label, corpus or language in a folder."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from alm_beam.core.text import visible
from alm_beam.loader.permutation import Positions
from alm_beam.storage.index.meta import AGAIN, LabelSet
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
        corpus: read only the windows of this corpus (`custom.corpus` of their cuts, or else `custom.source`); an empty
            text: of those that state none. None: all windows.
        language: read only the windows in this language (of the first supervision, or else
            `custom.language` or `custom.lang`); an empty text: of those that state none. None: all windows.

    >>> from alm_beam.loader import Source, WindowLoader
    >>> loader = WindowLoader(Source(windows, label="meetings"))
    >>> {window["custom"]["source"] for window in loader}
    {'meetings'}
    """

    url: str
    label: str | None = None
    weight: float | None = None
    corpus: str | None = None
    language: str | None = None


SourceLike: TypeAlias = str | os.PathLike[str] | Source
"""What a caller may give as a source: a path or URL of a folder, or a `Source`."""


@dataclass(frozen=True)
class OpenSource:
    """A source whose index is open: a range of the rows of the index, or some of a range.

    Attributes:
        source: as the caller gave it.
        index: of its folder.
        first: number of the first row of the range in the index.
        rows: number of its rows.
        chosen: its rows in the index, increasing, uint32 (int64 from 2**32 rows on); None: all of the range.
    """

    source: Source
    index: Index
    first: int
    rows: int
    chosen: npt.NDArray[Any] | None = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return opened_source, (self.source, self.index)  # which chooses rows again: they take more than that to send

    def index_rows(self, numbers: Positions) -> Positions:
        """The rows in the index of windows of the source, given their numbers in the source, from 0."""
        if self.chosen is not None:
            return self.chosen[numbers].astype(np.int64)
        return numbers + self.first

    def has_row(self, row: int) -> bool:
        """Whether a row of the index is one of the source's."""
        if self.chosen is None:
            return self.first <= row < self.first + self.rows
        if not 0 <= row < len(self.index):
            return False
        at = int(np.searchsorted(self.chosen, self.chosen.dtype.type(row)))
        return at < self.rows and int(self.chosen[at]) == row

    def durations(self) -> npt.NDArray[np.float64]:
        """Seconds, of each window of the source in their order."""
        found: npt.NDArray[np.float64] = self.column("duration")
        return found

    def column(self, name: str) -> npt.NDArray[Any]:
        """A field of ROW, of each window of the source in their order."""
        column = self.index.rows[name]
        return column[self.first : self.first + self.rows] if self.chosen is None else column[self.chosen]


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
        SourceError: an index has no windows with the label, of the corpus or in the language; or an earlier alm_beam
            made it, and it does not say of which corpus and language its windows are.
        IndexFault, OSError: see `open_index`.
    """
    options = options_by_protocol(storage_options, [source.url for source in sources])
    indexes: dict[str, Index] = {}
    for source in sources:
        if source.url not in indexes:
            indexes[source.url] = open_index(source.url, storage_options=options)
    return tuple(opened_source(source, indexes[source.url]) for source in sources)


def label_sets_of(index: Index) -> tuple[LabelSet, ...]:
    """Corpora and languages of an index.

    Raises:
        SourceError: an earlier alm_beam made it, and it does not list them.
    """
    if index.label_sets is None:
        what = "its index was made before indexes held corpus and language"
        raise SourceError(f"{visible(shown(index.url))}: {what}; {AGAIN} (saved states still fit)")
    return index.label_sets


def opened_source(source: Source, index: Index) -> OpenSource:
    """A source, given the open index of its folder.

    Raises:
        SourceError: see `open_sources`.
    """
    whole = _of_label(source, index)
    if source.corpus is None and source.language is None:
        return whole
    sets = label_sets_of(index)
    of_corpus = [number for number, each in enumerate(sets) if source.corpus in (None, each.corpus)]
    if not of_corpus:
        raise _nothing(source, f"of corpus {source.corpus!r}", "corpora", [each.corpus for each in sets])
    numbers = [number for number in of_corpus if source.language in (None, sets[number].language)]
    if not numbers:
        what = f"in language {source.language!r}" + ("" if source.corpus is None else f" of corpus {source.corpus!r}")
        raise _nothing(source, what, "languages", [sets[number].language for number in of_corpus])
    chosen = index.rows_of_sets(numbers)
    begin, end = np.searchsorted(chosen, (whole.first, whole.first + whole.rows)).tolist()
    if begin == end:
        pairs = (("corpus", source.corpus), ("language", source.language))
        others = " and ".join(f"{kind} {name!r}" for kind, name in pairs if name is not None)
        what = f"has no windows of label {source.label!r} that are also of {others}"
        raise SourceError(f"{visible(shown(source.url))}: {what}")
    if end - begin == whole.rows:
        return whole
    return OpenSource(source, index, whole.first, end - begin, chosen[begin:end])


def _of_label(source: Source, index: Index) -> OpenSource:
    if source.label is None:
        return OpenSource(source, index, 0, len(index))
    for label in index.labels:
        if label.label == source.label:
            return OpenSource(source, index, label.first, label.rows)
    raise _nothing(source, f"of label {source.label!r}", "labels", [label.label for label in index.labels])


def _nothing(source: Source, what: str, kind: str, names: Sequence[str]) -> SourceError:
    found = ", ".join(map(repr, sorted(set(names)))) or "none"
    return SourceError(f"{visible(shown(source.url))}: has no windows {what}; its {kind}: {found}")
