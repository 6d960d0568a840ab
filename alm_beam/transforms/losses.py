"""The statistics of a run: combined into one value, and as Beam counters."""

from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam import PCollection
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

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
    """LossStats of entries to those of a bundle: a counter, and a combiner, cost more than the addition itself."""

    def __init__(self) -> None:
        every = LossStats(most_audio_seconds=0.0).durations()
        self._distributions = {name: Metrics.distribution(NAMESPACE, name) for name in every}

    def start_bundle(self) -> None:
        self._total = LossStats()

    def process(self, stats: LossStats) -> None:
        self._total += stats
        for name, seconds in stats.durations().items():
            if seconds:
                distribution = self._distributions.get(name)
                if distribution is None:  # of an optional rule
                    distribution = self._distributions[name] = Metrics.distribution(NAMESPACE, name)
                distribution.update(round(min(seconds, _MAX_SECONDS) * 1000))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        total = self._total
        counts = {name: value for name, value in total.to_dict().items() if isinstance(value, int)}
        counts.update((f"rejected_{reason}", count) for reason, count in total.rejected.items())
        for name, count in counts.items():
            Metrics.counter(NAMESPACE, name).inc(count)
        yield GlobalWindows.windowed_value(total)


class CombineLosses(beam.PTransform):
    """The statistics of each entry to those of the run, a single value, whatever the number of entries.

    Beam's metrics show the same names: counts as counters, durations as distributions, in milliseconds, over the
    entries that have any.
    """

    def expand(self, stats: PCollection[LossStats]) -> PCollection[LossStats]:
        counted = stats | "CountLosses" >> beam.ParDo(_CountLosses()).with_output_types(LossStats)
        return counted | beam.CombineGlobally(LossStatsFn())
