"""What the report of a run shows besides the totals, in bounded space: adding two gives that of both parts.

All of it is whole numbers, and what is chosen is chosen by an order that has no ties. So a run gives the same whatever
its runner, and in whatever order the parts are added.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any, NamedTuple, TypeVar

from msgspec import convert

from alm_beam.core.histogram import Histogram
from alm_beam.core.run_stats import Summed
from alm_beam.core.stored_report import StoredHistogram, StoredPlace, StoredReport

MOST_LOST, TIME_LINES, REJECTS_PER_REASON = 15, 6, 3
"""How many recordings are listed that lost most, how many are drawn, and how many rejects are shown of each reason."""

MOST_SPANS = 300
"""So many segments, candidate windows and kept windows of a recording are drawn at most, from its beginning on."""

MOST_SPEAKERS = 7
"""So many speakers of a drawn recording have lanes of their own."""

Spans = Sequence[tuple[int, int]]
"""Starts and ends, milliseconds."""


class Place(NamedTuple):
    """Where an entry stands. Of entries that are the same, the one at the least place is named.

    Attributes:
        offset: bytes.
        file: the manifest; a long path without its middle.
    """

    offset: int
    file: str


class LostRecording(NamedTuple):
    """A recording that is among those that lost most. The greatest losses sort first.

    Attributes:
        minus_lost: the duration that is in no kept window, negative, milliseconds.
        key: a hash of its entry.
        place: where its entry stands.
        name: its id.
        audio: from the first start to the last end of its segments, milliseconds.
        windows: how many are kept.
    """

    minus_lost: int
    key: int
    place: Place
    name: str
    audio: int
    windows: int


class TimeLine(NamedTuple):
    """A recording that is drawn. The hash of its entry decides.

    Attributes:
        key: the hash.
        place: where its entry stands.
        name: its id.
        begin: the first start, milliseconds.
        until: the last end of what is drawn, milliseconds.
        end: the last end of all, milliseconds.
        speakers: the segments of each speaker, by label; the label is empty for segments without one.
        candidates: the candidate windows.
        kept: the kept windows.
    """

    key: int
    place: Place
    name: str
    begin: int
    until: int
    end: int
    speakers: tuple[tuple[str, Spans], ...]
    candidates: Spans
    kept: Spans


class RejectExample(NamedTuple):
    """An entry that could not be used; of a reason, those that come first are shown.

    Attributes:
        place: where it stands.
        detail: what was wrong.
        line: the beginning of the line.
    """

    place: Place
    detail: str
    line: str


_Chosen = TypeVar("_Chosen", LostRecording, TimeLine)


@dataclass(slots=True)
class ReportStats(Summed):
    """What the report shows of the entries of a run, or of a part of it.

    Attributes:
        recordings: how many there are.
        sampled: how many of them were chosen, by a hash of their entries, for the histograms that take longer.
        empty: how many have no kept window.
        histograms: of windows and recordings, by name; see `core.report_collector`.
        lost_most: the recordings that lost most, in order.
        time_lines: the recordings that are drawn, in order.
        rejects: examples of rejects, by reason, in order.
    """

    recordings: int = 0
    sampled: int = 0
    empty: int = 0
    histograms: dict[str, Histogram] = field(default_factory=dict)
    lost_most: list[LostRecording] = field(default_factory=list)
    time_lines: list[TimeLine] = field(default_factory=list)
    rejects: dict[str, list[RejectExample]] = field(default_factory=dict)

    def __iadd__(self, other: "ReportStats") -> "ReportStats":
        self.recordings += other.recordings
        self.sampled += other.sampled
        self.empty += other.empty
        mine = self.histograms
        self.histograms = mine | {
            name: mine[name] + theirs if name in mine else theirs for name, theirs in other.histograms.items()
        }
        self.lost_most = chosen([*self.lost_most, *other.lost_most], MOST_LOST)
        self.time_lines = chosen([*self.time_lines, *other.time_lines], TIME_LINES)
        self.rejects = {
            reason: first_rejects([*self.rejects.get(reason, ()), *other.rejects.get(reason, ())])
            for reason in sorted({*self.rejects, *other.rejects})
        }
        return self

    def to_dict(self) -> dict[str, Any]:
        """All of it as `report_stats.json` has it. Times are milliseconds."""
        return {
            "recordings": self.recordings,
            "sampled": self.sampled,
            "recordings_without_windows": self.empty,
            "distributions": {name: each.to_dict() for name, each in sorted(self.histograms.items())},
            "lost_most": [
                {
                    "name": each.name,
                    **each.place._asdict(),
                    "audio": each.audio,
                    "lost": -each.minus_lost,
                    "windows": each.windows,
                }
                for each in self.lost_most
            ],
            "time_lines": [
                {
                    "name": each.name,
                    **each.place._asdict(),
                    "begin": each.begin,
                    "until": each.until,
                    "end": each.end,
                    "speakers": [{"label": label, "segments": spans} for label, spans in each.speakers],
                    "candidates": each.candidates,
                    "kept": each.kept,
                }
                for each in self.time_lines
            ],
            "rejects": {
                reason: [{**each.place._asdict(), "detail": each.detail, "line": each.line} for each in examples]
                for reason, examples in self.rejects.items()
            },
        }

    @classmethod
    def from_dict(cls, named: Mapping[str, Any]) -> "ReportStats":
        """What `to_dict` wrote. The hashes are not in it, so nothing can be added to it.

        Raises:
            ValueError: it is something else; the message says where.
        """
        held = convert(named, StoredReport)
        for number, line in enumerate(held.time_lines):
            if not line.begin <= line.until <= line.end:
                raise ValueError(f"begin, until and end have to ascend - at `$.time_lines[{number}]`")

        def place(each: StoredPlace) -> Place:
            return Place(each.offset, each.file)

        return cls(
            held.recordings,
            held.sampled,
            held.recordings_without_windows,
            {name: _histogram(name, each) for name, each in held.distributions.items()},
            [LostRecording(-each.lost, 0, place(each), each.name, each.audio, each.windows) for each in held.lost_most],
            [
                TimeLine(
                    0,
                    place(each),
                    each.name,
                    each.begin,
                    each.until,
                    each.end,
                    tuple((one.label, one.segments) for one in each.speakers),
                    each.candidates,
                    each.kept,
                )
                for each in held.time_lines
            ],
            {
                reason: [RejectExample(place(each), each.detail, each.line) for each in examples]
                for reason, examples in held.rejects.items()
            },
        )


def _histogram(name: str, stored: StoredHistogram) -> Histogram:
    try:
        return Histogram.of(stored.edges, stored.counts)
    except ValueError as error:
        raise ValueError(f"{error} - at `$.distributions.{name}`") from None


def chosen(found: Iterable[_Chosen], most: int) -> list[_Chosen]:
    """The first of them in their order; of those of equal entries the one at the least place."""
    by_key: dict[int, _Chosen] = {}
    for each in found:
        other = by_key.get(each.key)
        if other is None or each < other:
            by_key[each.key] = each
    return nsmallest(most, by_key.values())


def first_rejects(found: Iterable[RejectExample]) -> list[RejectExample]:
    """Those at the least places by file; an entry that is read several times counts once."""
    return nsmallest(REJECTS_PER_REASON, {*found}, key=lambda each: (each.place.file, each.place.offset, each))
