"""What the report costs: what a run collects for it, recording by recording, beside the way from line to line.

python -m benchmarks.report [RECORDINGS]
"""

import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from time import thread_time_ns
from typing import NamedTuple

from alm_beam.core.config import EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.cuts import serialise_cuts
from alm_beam.core.entries import serialise_entry
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.losses import LossStats
from alm_beam.core.manifest import ManifestLine, parse_recording
from alm_beam.core.overlap import KeptWindows, filter_overlaps
from alm_beam.core.report_collector import ReportCollector, ReportConfig
from alm_beam.core.windows import build_windows
from alm_beam.storage.secrets import shown_json, shown_text
from benchmarks.job import five_recordings

_RUN = 100_000
"""The run has so many recordings: that decides how large a part of them is looked at closely."""

_TURNS = 5
_WINDOWS, _OVERLAP, _ENTRY = WindowConfig(), OverlapConfig(), EntryConfig()


class Row(NamedTuple):
    """A measurement: microseconds of one processor for a recording, medians over the turns.

    Attributes:
        lines: whether all lines are distinct, or five of them come again and again.
        way: from a line of a manifest to lines of entries and cuts, and statistics.
        collected: what is done for the report.
        share: the second of the first.
    """

    lines: str
    way: float
    collected: float
    share: float


def rows(recordings: int = 1000) -> Iterator[Row]:
    """The measurements, of the reference's sample. The two take turns, a recording each, as they do in a run.

    Args:
        recordings: how many there are in a turn.
    """
    lines = five_recordings().splitlines()
    manifest_bytes = _RUN * sum(map(len, lines)) / len(lines)
    for name in ("distinct", "repeated"):
        collector = ReportCollector(ReportConfig.of(_WINDOWS, manifest_bytes), shown_text, shown_json)
        _turn(collector, _lines(lines, 0, recordings, name))  # what comes first takes longer
        turns = [_turn(collector, _lines(lines, turn, recordings, name)) for turn in range(1, _TURNS + 1)]
        way, collected = (statistics.median(figures) for figures in zip(*turns))
        yield Row(name, way, collected, collected / way)


def _lines(texts: Sequence[bytes], turn: int, recordings: int, name: str) -> Iterator[ManifestLine]:
    for number in range(turn * recordings, (turn + 1) * recordings):
        text = texts[number % len(texts)]
        if name == "distinct":
            text = b'{"number":%d,%b' % (number, text[1:])
        yield ManifestLine("in.jsonl", number * len(text), text)


def _turn(collector: ReportCollector, lines: Iterable[ManifestLine]) -> tuple[float, float]:
    way, collected = list[int](), list[int]()
    for line in lines:
        begin = thread_time_ns()
        made = _made(line)
        middle = thread_time_ns()
        collector.add(*made)
        collected.append(thread_time_ns() - middle)
        way.append(middle - begin)
    return statistics.mean(way) / 1000, (statistics.mean(collected) - _clock_ns()) / 1000


def _made(line: ManifestLine) -> tuple[KeptWindows, LossStats]:
    kept = filter_overlaps(build_windows(parse_recording(line), _WINDOWS), _OVERLAP)
    serialise_entry(kept, _ENTRY)
    serialise_cuts(kept, _ENTRY)
    return kept, loss_stats(kept, _ENTRY)


def _clock_ns() -> float:
    """What it takes to look at the clock."""
    looks = [thread_time_ns() for _ in range(1001)]
    return (looks[-1] - looks[0]) / 1000


def print_rows(found: Iterable[Row]) -> Iterator[Row]:
    """The rows again, each printed."""
    print(
        f"\nWhat is collected for the report of a run of {_RUN:,} recordings. Microseconds for a recording, one core."
    )
    print(f"{'lines':>10}{'line to line':>14}{'report':>9}{'share':>9}")
    for row in found:
        print(f"{row.lines:>10}{row.way:>14.1f}{row.collected:>9.2f}{row.share:>9.2%}", flush=True)
        yield row


if __name__ == "__main__":
    list(print_rows(rows(*map(int, sys.argv[1:2]))))
