"""From a manifest's lines to the lines of the output, one recording at a time.

All of it fuses into the read. A bad entry goes the same way as the others, past the steps that it has no part in, and
leaves where they do: a Flatten of what several steps reject would make a local runner hold all of it.
"""

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import apache_beam as beam
from apache_beam import PCollection, pvalue

import alm_beam.transforms.coders  # noqa: F401 (registers the coder of Placed)
from alm_beam.core import cuts, entries, manifest, overlap, windows
from alm_beam.core.config import EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.losses import LossStats
from alm_beam.core.manifest import BadEntry, ManifestLine, Placed, Recording, Reject
from alm_beam.core.overlap import Selection
from alm_beam.core.windows import Candidates

REJECTED = "rejected"
"""The output of lines for `rejects-*.jsonl`."""

CUTS = "cuts"
"""The output of lines for `cuts-*.jsonl`: those of one recording as one element."""

STATS = "stats"
"""The output of what became of each entry, as LossStats."""

Rejected: TypeAlias = pvalue.TaggedOutput[Literal["rejected"], bytes]
Cuts: TypeAlias = pvalue.TaggedOutput[Literal["cuts"], bytes]
Stats: TypeAlias = pvalue.TaggedOutput[Literal["stats"], LossStats]


class _ParseRecording(beam.DoFn):
    def process(self, element: tuple[str, int, bytes]) -> Iterator[Placed]:
        line = ManifestLine(*element)
        if manifest.is_blank(line):
            return
        try:
            yield manifest.parse_recording(line)
        except BadEntry as fault:
            yield Reject(line, fault)


class _BuildWindows(beam.DoFn):
    def __init__(self, config: WindowConfig):
        self._config = config

    def process(self, element: Placed) -> Iterator[Placed]:
        if isinstance(element, Recording):
            try:
                element = windows.build_windows(element, self._config)
            except BadEntry as fault:
                element = Reject(element.line, fault)
        yield element


class _FilterOverlaps(beam.DoFn):
    def __init__(self, config: OverlapConfig):
        self._config = config

    def process(self, element: Placed) -> Iterator[Placed]:
        yield overlap.filter_overlaps(element, self._config) if isinstance(element, Candidates) else element


class _SerialiseEntry(beam.DoFn):
    def __init__(self, config: EntryConfig):
        self._config = config

    def process(self, element: Placed) -> Iterator[bytes | Cuts | Rejected | Stats]:
        if isinstance(element, Selection):
            try:
                entry = entries.serialise_entry(element, self._config)
                lines = cuts.serialise_cuts(element, self._config) if self._config.cuts else []
            except BadEntry as fault:
                element = Reject(element.line, fault)
            else:
                yield entry
                if lines:
                    yield pvalue.TaggedOutput(CUTS, b"\n".join(lines))
                yield pvalue.TaggedOutput(STATS, element.loss_stats())
        if isinstance(element, Reject):
            yield pvalue.TaggedOutput(REJECTED, manifest.serialise_reject(element))
            yield pvalue.TaggedOutput(STATS, LossStats.of_reject(element.fault.reason.value))


class ParseRecording(beam.PTransform):
    """Lines of manifests, (file, byte offset, line), to recordings and rejects; blank lines are passed over."""

    def expand(self, lines: PCollection[tuple[str, int, bytes]]) -> PCollection[Placed]:
        return lines | beam.ParDo(_ParseRecording())


class BuildWindows(beam.PTransform):
    """Recordings to their candidate windows."""

    def __init__(self, config: WindowConfig):
        super().__init__()
        self._config = config

    def expand(self, recordings: PCollection[Placed]) -> PCollection[Placed]:
        return recordings | beam.ParDo(_BuildWindows(self._config))


class FilterOverlaps(beam.PTransform):
    """Candidate windows to selections: those that stay."""

    def __init__(self, config: OverlapConfig):
        super().__init__()
        self._config = config

    def expand(self, candidates: PCollection[Placed]) -> PCollection[Placed]:
        return candidates | beam.ParDo(_FilterOverlaps(self._config))


class SerialiseEntry(beam.PTransform):
    """Selections and rejects to lines. Outputs: `lines` of entries, CUTS, REJECTED, STATS."""

    def __init__(self, config: EntryConfig):
        super().__init__()
        self._config = config

    def expand(self, selections: PCollection[Placed]) -> Any:
        return selections | beam.ParDo(_SerialiseEntry(self._config)).with_outputs(CUTS, STATS, REJECTED, main="lines")
