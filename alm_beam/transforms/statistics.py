"""The statistics of a run: combined into one value, and as Beam counters."""

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

import apache_beam as beam
from apache_beam import PCollection
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from alm_beam.core.run_stats import RunStats, Summed

NAMESPACE = "alm_beam"

_MAX_SECONDS = 1e12
"""Beam's distributions add up 64-bit integers, here of milliseconds."""

_Stats = TypeVar("_Stats", bound=RunStats)
_Summed = TypeVar("_Summed", bound=Summed)


class StatisticsFn(beam.CombineFn, Generic[_Summed]):
    """Adds up statistics; an accumulator is one of them, so its size does not grow with the run."""

    def __init__(self, kind: type[_Summed]):
        """
        Args:
            kind: the class of the statistics.
        """
        self._kind = kind

    def create_accumulator(self) -> _Summed:
        return self._kind()

    def add_input(self, total: _Summed, stats: _Summed) -> _Summed:
        total += stats
        return total

    def merge_accumulators(self, totals: Iterable[_Summed]) -> _Summed:
        merged = self._kind()
        for total in totals:
            merged += total
        return merged

    def extract_output(self, total: _Summed) -> _Summed:
        return total


class _Count(beam.DoFn):
    """Statistics of entries to those of a bundle: a counter, and a combiner, cost more than the addition itself."""

    def __init__(self, kind: type[RunStats]):
        self._kind = kind
        self._distributions: dict[str, Any] = {}

    def start_bundle(self) -> None:
        self._total = self._kind()

    def process(self, stats: RunStats) -> None:
        self._total += stats
        for name, seconds in stats.durations().items():
            if seconds:
                if name not in self._distributions:
                    self._distributions[name] = Metrics.distribution(NAMESPACE, name)
                self._distributions[name].update(round(min(seconds, _MAX_SECONDS) * 1000))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        total = self._total
        counts = {name: value for name, value in total.to_dict().items() if isinstance(value, int)}
        counts.update((f"rejected_{reason}", count) for reason, count in total.rejected.items())
        for name, count in counts.items():
            Metrics.counter(NAMESPACE, name).inc(count)
        yield GlobalWindows.windowed_value(total)


class CombineStatistics(beam.PTransform):
    """The statistics of each entry to those of the run, a single value, whatever the number of entries.

    Beam's metrics show the same names: counts as counters, durations as distributions, in milliseconds, over the
    entries that have any.
    """

    def __init__(self, kind: type[RunStats]):
        """
        Args:
            kind: the class of the statistics.
        """
        super().__init__()
        self._kind = kind

    def expand(self, stats: PCollection[_Stats]) -> PCollection[_Stats]:
        counted = stats | "Count" >> beam.ParDo(_Count(self._kind)).with_output_types(self._kind)
        return counted | f"CombineGlobally({self._kind.__name__}Fn)" >> beam.CombineGlobally(StatisticsFn(self._kind))
