"""The statistics of a run: combined into one value, and as Beam counters."""

from collections import Counter
from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam import PCollection
from apache_beam.metrics import Metrics

from alm_beam.core.losses import LossStats

NAMESPACE = "alm_beam"

_MAX_SECONDS = 1e12
"""Beam's distributions add up 64-bit integers, here of milliseconds."""


class LossStatsFn(beam.CombineFn):
    """Adds up LossStats; an accumulator is one of them, so its size does not grow with the run."""

    def create_accumulator(self) -> LossStats:
        return LossStats()

    def add_input(self, total: LossStats, stats: LossStats) -> LossStats:
        total += stats
        return total

    def merge_accumulators(self, totals: Iterable[LossStats]) -> LossStats:
        merged = LossStats()
        for total in totals:
            merged += total
        return merged

    def extract_output(self, total: LossStats) -> LossStats:
        return total


class _CountLosses(beam.DoFn):
    """Passes LossStats on. Counts are summed over a bundle first: a counter costs more than the addition it counts."""

    def __init__(self) -> None:
        durations = [name for name, value in LossStats().to_dict().items() if isinstance(value, float)]
        self._distributions = {name: Metrics.distribution(NAMESPACE, name) for name in durations}

    def start_bundle(self) -> None:
        self._counts: Counter[str] = Counter()

    def process(self, stats: LossStats) -> Iterator[LossStats]:
        for name, value in stats.to_dict().items():
            if name in self._distributions:
                self._distributions[name].update(round(min(value, _MAX_SECONDS) * 1000))
            elif isinstance(value, int):
                self._counts[name] += value
        for reason, count in stats.rejected.items():
            self._counts[f"rejected_{reason}"] += count
        yield stats

    def finish_bundle(self) -> None:
        for name, count in self._counts.items():
            Metrics.counter(NAMESPACE, name).inc(count)


class CombineLosses(beam.PTransform):
    """The statistics of each entry to those of the run, a single value, whatever the number of entries.

    Beam's metrics show the same names: counts as counters, durations as distributions, in milliseconds per entry.
    """

    def expand(self, stats: PCollection[LossStats]) -> PCollection[LossStats]:
        return stats | "CountLosses" >> beam.ParDo(_CountLosses()) | beam.CombineGlobally(LossStatsFn())
