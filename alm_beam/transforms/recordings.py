"""From a manifest's lines to the lines of the output, one recording at a time. All of it fuses into the read."""

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import apache_beam as beam
from apache_beam import PCollection, pvalue

import alm_beam.transforms.coders  # noqa: F401 (registers the coder of what passes between the steps)
from alm_beam.core import entries, manifest, overlap, windows
from alm_beam.core.config import EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.losses import LossStats
from alm_beam.core.manifest import BadEntry, ManifestLine, Recording
from alm_beam.core.overlap import Selection
from alm_beam.core.windows import Candidates

REJECTED = "rejected"
"""The output for bad entries: (reason code, line of `rejects-*.jsonl`)."""

STATS = "stats"
"""The output for what became of each entry: its LossStats."""


Rejected: TypeAlias = pvalue.TaggedOutput[Literal["rejected"], tuple[str, bytes]]
Stats: TypeAlias = pvalue.TaggedOutput[Literal["stats"], LossStats]


def _rejected(line: ManifestLine, fault: BadEntry) -> Rejected:
    return pvalue.TaggedOutput(REJECTED, (fault.reason.value, manifest.reject_line(line, fault)))


class _ParseRecording(beam.DoFn):
    def process(self, element: tuple[str, int, bytes]) -> Iterator[Recording | Rejected]:
        line = ManifestLine(*element)
        if manifest.is_blank(line):
            return
        try:
            yield manifest.parse_recording(line)
        except BadEntry as fault:
            yield _rejected(line, fault)


class _BuildWindows(beam.DoFn):
    def __init__(self, config: WindowConfig):
        self._config = config

    def process(self, recording: Recording) -> Iterator[Candidates | Rejected]:
        try:
            yield windows.build_windows(recording, self._config)
        except BadEntry as fault:
            yield _rejected(recording.line, fault)


class _FilterOverlaps(beam.DoFn):
    def __init__(self, config: OverlapConfig):
        self._config = config

    def process(self, candidates: Candidates) -> Iterator[Selection]:
        yield overlap.filter_overlaps(candidates, self._config)


class _SerialiseEntry(beam.DoFn):
    def __init__(self, config: EntryConfig):
        self._config = config

    def process(self, selection: Selection) -> Iterator[bytes | Rejected | Stats]:
        try:
            line = entries.serialise_entry(selection, self._config)
        except BadEntry as fault:
            yield _rejected(selection.line, fault)
            return
        yield line
        yield pvalue.TaggedOutput(STATS, selection.loss_stats())


class ParseRecording(beam.PTransform):
    """Lines of manifests to recordings; blank lines are passed over. Outputs: recordings, REJECTED."""

    def expand(self, lines: PCollection[tuple[str, int, bytes]]) -> Any:
        return lines | beam.ParDo(_ParseRecording()).with_outputs(REJECTED, main="recordings")


class BuildWindows(beam.PTransform):
    """Recordings to their candidate windows. Outputs: candidates, REJECTED."""

    def __init__(self, config: WindowConfig):
        super().__init__()
        self._config = config

    def expand(self, recordings: PCollection[Recording]) -> Any:
        return recordings | beam.ParDo(_BuildWindows(self._config)).with_outputs(REJECTED, main="candidates")


class FilterOverlaps(beam.PTransform):
    """Candidate windows to those that stay."""

    def __init__(self, config: OverlapConfig):
        super().__init__()
        self._config = config

    def expand(self, candidates: PCollection[Candidates]) -> PCollection[Selection]:
        return candidates | beam.ParDo(_FilterOverlaps(self._config))


class SerialiseEntry(beam.PTransform):
    """Selections to lines of the output. Outputs: lines, STATS, REJECTED."""

    def __init__(self, config: EntryConfig):
        super().__init__()
        self._config = config

    def expand(self, selections: PCollection[Selection]) -> Any:
        return selections | beam.ParDo(_SerialiseEntry(self._config)).with_outputs(STATS, REJECTED, main="lines")
