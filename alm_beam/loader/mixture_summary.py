"""A table of the hours of corpora and languages, as Omnilingual ASR reads it; and how it differs from an index."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple, TypeAlias

from alm_beam.core.text import visible
from alm_beam.storage.options import options_by_protocol
from alm_beam.storage.paths import errors_that_name, info_of, located
from alm_beam.storage.secrets import shown

Hours: TypeAlias = dict[tuple[str, str], float]
"""By corpus and language."""

UNKNOWN = "unknown"
"""What shards in parquet call a corpus or language that is not stated."""

_COLUMNS = ("corpus", "language", "hours")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_MAX_BYTES = 64 << 20
_TOLERANCE = 0.01
_MAX_SHOWN = 200


class SummaryError(ValueError):
    """A table of hours that cannot be used. The message names the file, the line and what is wrong.

    >>> read_summary("no/such.tsv")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    alm_beam.loader.mixture_summary.SummaryError: ...no/such.tsv: there is no such file
    """

    def __init__(self, message: str):
        super().__init__(visible(message))


class Difference(NamedTuple):
    """A corpus and language whose hours differ by more than 1 %, or of which only the table has any.

    Attributes:
        corpus: its name.
        language: its name.
        stated: hours in the table.
        indexed: hours in the indexes; None where they have no such windows.

    >>> print(Difference("ami", "en", 90.0, 81.5))
    corpus 'ami', language 'en': 90.00 hours in the summary, 81.50 in the index; the weights follow the summary
    """

    corpus: str
    language: str
    stated: float
    indexed: float | None

    def __str__(self) -> str:
        name = named_pair(self.corpus, self.language)
        if self.indexed is None:
            return f"{name}: {self.stated:,.2f} hours in the summary, no windows in the index; its row is ignored"
        both = f"{self.stated:,.2f} hours in the summary, {self.indexed:,.2f} in the index"
        return f"{name}: {both}; the weights follow the summary"


def named_pair(corpus: str, language: str) -> str:
    """What messages call the windows of a corpus and language."""
    return f"corpus {corpus[:_MAX_SHOWN]!r}, language {language[:_MAX_SHOWN]!r}"


def read_summary(url: str, storage_options: Mapping[str, Any] | None = None) -> Hours:
    """The hours that a table states: tab-separated, with a header that has the columns corpus, language and hours.

    Other columns are ignored, and so are empty lines.

    Args:
        url: the file; a path or any fsspec URL.
        storage_options: fsspec's, as for `WindowLoader`.

    Raises:
        SummaryError: there is no such file; a column is missing; a line has too few cells, comes twice, or has hours
            that are no number of at least 0.
        OSError: it cannot be read.
    """
    where = shown(url)
    found: Hours = {}
    lines: dict[tuple[str, str], int] = {}
    rows = _rows(_text(url, where, storage_options), where)
    at = _columns(next(rows, (1, [])), where)
    for number, row in rows:
        if len(row) <= max(at):
            raise SummaryError(f"{where}: line {number}: has {len(row)} cells, too few for {', '.join(_COLUMNS)}")
        corpus, language, hours = (row[each].strip() for each in at)
        pair = corpus, language
        if pair in found:
            raise SummaryError(f"{where}: line {number}: {named_pair(*pair)} was in line {lines[pair]} already")
        if not _NUMBER.fullmatch(hours) or not isfinite(float(hours)) or float(hours) < 0:
            raise SummaryError(f"{where}: line {number}: hours {hours[:_MAX_SHOWN]!r}: must be a number, at least 0")
        found[pair], lines[pair] = float(hours), number
    if not found:
        raise SummaryError(f"{where}: has no line below its header")
    return found


def matched(summary: Mapping[tuple[str, str], float], pairs: Sequence[tuple[str, str]], where: str) -> Hours:
    """The rows of a table by the corpora and languages of indexes.

    What windows do not state is empty in an index; the table may call it `unknown`, as shards in parquet do.

    Returns:
        All rows of the table, those that are of `pairs` under the names that these have.

    Raises:
        SummaryError: one of `pairs` is not in the table, or two of them are the same row of it.
    """
    names = {pair: _name_in(summary, pair) for pair in pairs}
    missing = [named_pair(*pair) for pair, name in names.items() if name is None]
    if missing:
        more = f", and {len(missing) - 10} more" if len(missing) > 10 else ""
        what = f"has no line of {'; '.join(missing[:10])}{more}, of which there are windows"
        raise SummaryError(f"{where}: {what}: they would never be read; add their hours, or give no summary")
    pairs_of: dict[tuple[str, str], tuple[str, str]] = {}
    for pair, name in names.items():
        if name is not None and pairs_of.setdefault(name, pair) != pair:
            both = f"{named_pair(*pairs_of[name])} and {named_pair(*pair)}"
            raise SummaryError(f"{where}: {both} are both the line of {named_pair(*name)}; give each its line")
    return {pairs_of.get(name, name): hours for name, hours in summary.items()}


def summary_differences(
    summary: Mapping[tuple[str, str], float], hours: Mapping[tuple[str, str], float]
) -> list[Difference]:
    """Where the hours of a table are not those of indexes.

    Args:
        summary: see `matched`.
        hours: of the indexes.
    """
    found = []
    for pair, stated in summary.items():
        indexed = hours.get(pair)
        if indexed is None or abs(stated - indexed) > _TOLERANCE * max(stated, indexed):
            found.append(Difference(*pair, stated, indexed))
    return found


def _name_in(summary: Mapping[tuple[str, str], float], pair: tuple[str, str]) -> tuple[str, str] | None:
    corpus, language = pair
    candidates = [pair, (corpus, language or UNKNOWN), (corpus or UNKNOWN, language)]
    return next((name for name in [*candidates, (corpus or UNKNOWN, language or UNKNOWN)] if name in summary), None)


def _text(url: str, where: str, storage_options: Mapping[str, Any] | None) -> str:
    place = located(url, options_by_protocol(storage_options, [url]))
    with errors_that_name(where):
        info = info_of(place.fs, place.path)
    if info is None:
        raise SummaryError(f"{where}: there is no such file")
    if (info["size"] or 0) > _MAX_BYTES:
        raise SummaryError(f"{where}: has {info['size']:,} bytes: no table of hours is as large")
    with errors_that_name(where):
        content: bytes = place.fs.cat_file(place.path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SummaryError(f"{where}: line {line}: is no text in UTF-8") from None


def _rows(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    try:
        for row in reader:
            if any(row):
                yield reader.line_num, row
    except csv.Error as error:
        raise SummaryError(f"{where}: line {reader.line_num}: is no line of a table ({error})") from None


def _columns(header: tuple[int, list[str]], where: str) -> list[int]:
    """Where the columns stand."""
    number, row = header
    names = [name.strip() for name in row]
    for column in _COLUMNS:
        if names.count(column) != 1:
            what = f"has {'no' if column not in names else 'more than one'} column {column!r}"
            seen = ", ".join(map(repr, names))[:_MAX_SHOWN] or "nothing"
            needed = f"it needs {', '.join(_COLUMNS)}, separated by tabs, and has {seen}"
            raise SummaryError(f"{where}: line {number}: the header {what}; {needed}")
    return [names.index(column) for column in _COLUMNS]
