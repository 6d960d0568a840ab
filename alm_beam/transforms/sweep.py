"""From lines of manifests to what many configurations of windows give, one recording at a time. Nothing is written."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import apache_beam as beam
from apache_beam import PCollection, pvalue

import alm_beam.transforms.coders  # noqa: F401 (registers the coders of elements)
from alm_beam.core.config import ManifestConfig
from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import ManifestLine, Reject, is_blank, serialise_reject
from alm_beam.core.sweep import SweepPlan, is_in_sample, sweep_recording
from alm_beam.core.sweep_stats import SweepStats
from alm_beam.storage.staged_run import FILES, StagedRun
from alm_beam.storage.tally import count
from alm_beam.transforms.recordings import parsed_element

_REJECTS, _STATS = "rejects", "stats"
_Stats: TypeAlias = pvalue.TaggedOutput[Literal["stats"], SweepStats]


class _SweepWindows(beam.DoFn):
    def __init__(self, plan: SweepPlan, manifest: ManifestConfig, sample: float):
        self._plan, self._manifest, self._sample = plan, manifest, sample

    def process(self, line: ManifestLine) -> Iterator[bytes | _Stats]:
        if is_blank(line):
            return
        if not is_in_sample(line, self._sample):
            yield pvalue.TaggedOutput(_STATS, SweepStats(not_sampled=1))
            return
        recording = parsed_element(line, self._manifest)
        if isinstance(recording, Reject):
            count(rejects=1)
            yield serialise_reject(recording)
            yield pvalue.TaggedOutput(_STATS, SweepStats.of_reject(recording.fault.reason.value))
        elif recording is not None:
            outcomes = sweep_recording(recording, self._plan)
            fault = next((each for each in outcomes if isinstance(each, BadEntry)), None)
            count(recordings=int(fault is None), rejects=int(fault is not None))
            if fault is not None:
                yield serialise_reject(Reject(line, fault))
            yield pvalue.TaggedOutput(_STATS, SweepStats.of_outcomes(outcomes))


class SweepWindows(beam.PTransform):
    """Lines of manifests to the figures of all combinations. Outputs: `rejects`, lines of JSON, and `stats` of each.

    An entry that some combination cannot use is one reject, with the fault of the first such combination.
    """

    def __init__(self, plan: SweepPlan, manifest: ManifestConfig, sample: float):
        """
        Args:
            plan: the combinations.
            manifest: how an entry is read.
            sample: the share of the entries that is looked at.
        """
        super().__init__()
        self._do_fn = _SweepWindows(plan, manifest, sample)

    def expand(self, lines: PCollection[ManifestLine]) -> Any:
        return lines | beam.ParDo(self._do_fn).with_outputs(_STATS, main=_REJECTS)


class _StageTexts(beam.DoFn):
    def __init__(self, run: StagedRun, texts_of: Callable[[SweepStats], Mapping[str, str]]):
        self._run, self._texts_of = run, texts_of

    def process(self, stats: SweepStats) -> Iterator[str]:
        if self._run.was_completed():
            return
        for name, text in self._texts_of(stats).items():
            self._run.write(f"{FILES}/{name}", name, text.encode("utf-8", "backslashreplace"))
            yield name


class StageTexts(beam.PTransform):
    """The statistics of a run to the names of files that show them, which it stages."""

    def __init__(self, run: StagedRun, texts_of: Callable[[SweepStats], Mapping[str, str]]):
        """
        Args:
            run: the run.
            texts_of: gives the text of each file by its name.
        """
        super().__init__()
        self._do_fn = _StageTexts(run, texts_of)

    def expand(self, stats: PCollection[SweepStats]) -> PCollection[str]:
        return stats | beam.ParDo(self._do_fn)
