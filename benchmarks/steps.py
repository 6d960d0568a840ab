"""Where the time of a recording goes: what each step of the job takes, and what Beam takes for passing things on.

    python -m benchmarks.steps [RECORDINGS] [ELEMENTS]

Steps are timed one after the other for each recording, as the job does them, in one process and by its CPU time. What
Beam takes is that of a pipeline on its local runner less that of one without the thing, for each element.
"""

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from alm_beam.core.config import EntryConfig, ManifestConfig, OverlapConfig, WindowConfig
from alm_beam.core.cuts import serialise_cuts
from alm_beam.core.entries import serialise_entry
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.manifest import ManifestLine, parse_recording
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.report_collector import ReportCollector, ReportConfig
from alm_beam.core.windows import build_windows
from alm_beam.storage.outputs import CUTS, ENTRIES
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.staged_run import StagedRun
from benchmarks.job import five_recordings

ROUNDS = 5

PASSING = """
import sys
import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

kind, count = sys.argv[1], int(sys.argv[2])

class Pass(beam.DoFn):
    def process(self, element):
        yield element

class Tag(beam.DoFn):
    def process(self, element):
        yield element
        yield beam.pvalue.TaggedOutput("other", element)

class Count(beam.DoFn):
    def __init__(self, metric):
        self.metric = metric
    def process(self, element):
        if kind == "counter":
            self.metric.inc()
        else:
            self.metric.update(element)
        yield element

metrics = {"counter": Metrics.counter, "distribution": Metrics.distribution}
with beam.Pipeline(runner=FnApiRunner()) as pipeline:
    elements = pipeline | beam.Impulse() | beam.FlatMap(lambda _: range(count)) | "Pass" >> beam.ParDo(Pass())
    if kind == "element":
        elements | "Again" >> beam.ParDo(Pass())
    elif kind == "tagged output":
        elements | "Again" >> beam.ParDo(Tag()).with_outputs("other", main="main")
    elif kind in metrics:
        elements | "Again" >> beam.ParDo(Count(metrics[kind]("steps", "metric")))
"""

_LESS = {"element": "nothing", "tagged output": "element", "counter": "element", "distribution": "element"}
"""What each kind is compared with."""


class Row(NamedTuple):
    """A measurement: the median of the rounds, and between the least and the greatest of them, microseconds."""

    name: str
    microseconds: float
    spread: float


def _round(lines: list[bytes], recordings: int, folder: str) -> dict[str, float]:
    """Seconds of each step, for so many recordings."""
    from alm_beam.transforms.index import IndexedCutsSink
    from alm_beam.transforms.write import LineSink, _ShardFile

    run = StagedRun.of(RunFolder(folder), "1")
    entries = _ShardFile(run, ENTRIES, lambda name: LineSink())
    shard = _ShardFile(run, CUTS, lambda name: IndexedCutsSink(run, name))
    windows, written = WindowConfig(), EntryConfig()
    collector = ReportCollector(ReportConfig.of(windows, sum(map(len, lines)) * recordings / len(lines)))
    seconds: dict[str, float] = {}

    def taken(name: str, begin: float) -> float:
        end = time.process_time()
        seconds[name] = seconds.get(name, 0.0) + end - begin
        return end

    for number in range(recordings):
        at = time.process_time()
        recording = parse_recording(ManifestLine("", number, lines[number % len(lines)]), ManifestConfig())
        at = taken("parse", at)
        candidates = build_windows(recording, windows)
        at = taken("build windows", at)
        kept = filter_overlaps(candidates, OverlapConfig())
        at = taken("filter overlaps", at)
        entry = serialise_entry(kept, written)
        at = taken("serialise the entry", at)
        cuts = serialise_cuts(kept, written)
        at = taken("serialise the cuts", at)
        stats = loss_stats(kept, written)
        at = taken("statistics", at)
        collector.add(kept, stats)
        at = taken("collect for the report", at)
        entries.write(entry)
        at = taken("write the entry", at)
        shard.write(cuts)
        taken("write the cuts and collect their rows", at)
    at = time.process_time()
    shard.close()
    taken("write the cuts and collect their rows", at)
    entries.close()
    return seconds


def rows(recordings: int = 2000, elements: int = 1_000_000) -> Iterator[Row]:
    """What our steps take for each recording, and Beam for each element."""
    yield from _step_rows(recordings)
    yield from _passing_rows(elements)


def _step_rows(recordings: int) -> Iterator[Row]:
    """What our steps take for each recording of the reference's sample."""
    lines = five_recordings().splitlines()
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder:
        rounds = [_round(lines, recordings, f"{folder}/{number}") for number in range(ROUNDS + 1)][1:]
    for name in rounds[0]:
        yield _row(name, [each[name] / recordings for each in rounds])


def _passing_rows(elements: int) -> Iterator[Row]:
    """What Beam takes for each of so many elements."""
    rounds = [{kind: _cpu_seconds(kind, elements) for kind in ("nothing", *_LESS)} for _ in range(ROUNDS)]
    for kind, less in _LESS.items():
        yield _row(f"Beam: {kind}", [(each[kind] - each[less]) / elements for each in rounds])


def _cpu_seconds(kind: str, elements: int) -> float:
    process = subprocess.Popen(
        [sys.executable, "-c", PASSING, kind, str(elements)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise RuntimeError(f"the pipeline of {kind} ended with exit code {process.returncode}")
    return used.ru_utime + used.ru_stime


def _row(name: str, seconds: list[float]) -> Row:
    return Row(name, statistics.median(seconds) * 1e6, (max(seconds) - min(seconds)) * 1e6)


def print_rows(found: Iterable[Row]) -> Iterator[Row]:
    """The rows again, each printed."""
    print("\nMicroseconds of CPU time: of a recording for each step, of an element for what Beam does.")
    for row in found:
        print(f"{row.name:42}{row.microseconds:>9.2f}{row.spread:>9.2f}", flush=True)
        yield row


if __name__ == "__main__":
    list(print_rows(rows(*map(int, sys.argv[1:]))))
