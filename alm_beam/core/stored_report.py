"""What `report_stats.json` holds: its shape, by which it is checked when it is read."""

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0, le=1 << 53)]
Milliseconds = Annotated[int, Meta(ge=-(10**15), le=10**15)]
Span = tuple[Milliseconds, Milliseconds]


class StoredHistogram(Struct):
    """See `core.histogram`."""

    edges: list[int | float]
    counts: list[Count]


class StoredPlace(Struct):
    """Where an entry stands."""

    offset: Count
    file: str


class StoredLoss(StoredPlace):
    """A recording that is among those that lost most."""

    name: str
    audio: Milliseconds
    lost: Milliseconds
    windows: Count


class StoredSpeaker(Struct):
    """A lane of a time line."""

    label: str
    segments: list[Span]


class StoredTimeLine(StoredPlace):
    """A recording that is drawn."""

    name: str
    begin: Milliseconds
    until: Milliseconds
    end: Milliseconds
    speakers: list[StoredSpeaker]
    candidates: list[Span]
    kept: list[Span]


class StoredReject(StoredPlace):
    """An entry that could not be used."""

    detail: str
    line: str


class StoredReport(Struct):
    """The whole file, without what is told of the run."""

    recordings: Count
    sampled: Count
    recordings_without_windows: Count
    distributions: dict[str, StoredHistogram]
    lost_most: list[StoredLoss]
    time_lines: list[StoredTimeLine]
    rejects: dict[str, list[StoredReject]]
