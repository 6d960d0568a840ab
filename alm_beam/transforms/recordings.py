"""From entries of manifests to the lines of the output, one recording at a time.

All of it fuses into the read. A bad entry goes the same way as the others, past the steps that do not concern it, and
leaves where they do: a Flatten of what several steps reject would make a local runner hold all of it.
"""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypeAlias

import apache_beam as beam
from apache_beam import PCollection, pvalue
from apache_beam.transforms.window import GlobalWindows
from apache_beam.typehints.decorators import no_annotations

import alm_beam.transforms.coders  # noqa: F401 (registers the coders of elements)
from alm_beam.core.config import EntryConfig, ManifestConfig, OverlapConfig, WindowConfig
from alm_beam.core.cuts import CutLines, serialise_cuts
from alm_beam.core.entries import serialise_entry
from alm_beam.core.faults import BadEntry
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.losses import LossStats
from alm_beam.core.manifest import (
    Element,
    ManifestLine,
    Recording,
    Reject,
    is_blank,
    manifest_line,
    parse_recording,
    serialise_reject,
)
from alm_beam.core.overlap import KeptWindows, filter_overlaps
from alm_beam.core.report_collector import ReportCollector, ReportConfig
from alm_beam.core.report_stats import ReportStats
from alm_beam.core.text import visible
from alm_beam.core.windows import CandidateWindows, build_windows
from alm_beam.storage.lines import ManifestReadError
from alm_beam.storage.secrets import shown_json, shown_text
from alm_beam.storage.tally import count
from alm_beam.transforms.statistics import CombineStatistics

Entry: TypeAlias = dict[str, Any] | bytes | str | ManifestLine
"""An entry of a manifest, as an object, as its line, or as its line with the place of that."""

_ENTRIES, _CUTS, _REJECTS, _STATS, _REPORT = "entries", "cuts", "rejects", "stats", "report"
_Cuts: TypeAlias = pvalue.TaggedOutput[Literal["cuts"], CutLines]
_Rejects: TypeAlias = pvalue.TaggedOutput[Literal["rejects"], bytes]
_Stats: TypeAlias = pvalue.TaggedOutput[Literal["stats"], LossStats]
_Report: TypeAlias = pvalue.TaggedOutput[Literal["report"], ReportStats]


class _ParseRecording(beam.DoFn):
    def __init__(self, config: ManifestConfig):
        self._config = config

    def process(self, element: Entry) -> Iterator[Element]:
        parsed = parsed_element(element, self._config)
        if parsed is not None:
            yield parsed


def parsed_element(element: Entry, config: ManifestConfig) -> Recording | Reject | None:
    """The recording that an entry describes, or its reject; None for a blank line.

    Raises:
        ManifestReadError: there is not enough memory to parse the line.
    """
    line = ManifestLine("", 0, b"")
    try:
        line = element if isinstance(element, ManifestLine) else manifest_line(element)
        return None if is_blank(line) else parse_recording(line, config)
    except BadEntry as fault:
        return Reject(line, fault)
    except MemoryError:
        raise ManifestReadError(
            f"{visible(line.file)}: to parse the line of {len(line.text)} bytes at byte {line.offset} takes more "
            "memory than there is; raise the limit, or reject it by a lower --max_line_bytes"
        ) from None


class _BuildWindows(beam.DoFn):
    def __init__(self, config: WindowConfig, few_written: bool):
        self._config = config
        self._few_written = few_written

    def process(self, element: Element) -> Iterator[Element]:
        if isinstance(element, Recording):
            try:
                element = build_windows(element, self._config, few_written=self._few_written)
            except BadEntry as fault:
                element = Reject(element.line, fault)
        yield element


class _FilterOverlaps(beam.DoFn):
    def __init__(self, config: OverlapConfig):
        self._config = config

    def process(self, element: Element) -> Iterator[Element]:
        if isinstance(element, CandidateWindows):
            try:
                element = filter_overlaps(element, self._config)
            except BadEntry as fault:
                element = Reject(element.line, fault)
        yield element


class _ToEntries(beam.DoFn):
    def __init__(self, config: EntryConfig):
        self._config = config

    def process(self, element: Element) -> Iterator[bytes]:
        if isinstance(element, KeptWindows):
            yield serialise_entry(element, self._config)


class _ToCuts(beam.DoFn):
    def __init__(self, config: EntryConfig):
        self._config = config

    def process(self, element: Element) -> Iterator[bytes]:
        if isinstance(element, KeptWindows):
            yield from serialise_cuts(element, self._config).lines


class _SerialiseAll(beam.DoFn):
    """What one recording leaves, all of it or, if a part of it cannot be written, its reject."""

    def __init__(self, config: EntryConfig, report: ReportConfig | None):
        self._config = config
        self._report = report

    def start_bundle(self) -> None:
        self._collector = ReportCollector(self._report, shown_text, shown_json) if self._report else None

    def process(self, element: Element) -> Iterator[bytes | _Cuts | _Rejects | _Stats | _Report]:
        collector = self._collector
        if isinstance(element, KeptWindows):
            try:
                entry = serialise_entry(element, self._config) if self._config.entries else None
                cuts = serialise_cuts(element, self._config) if self._config.cuts else None
            except BadEntry as fault:
                element = Reject(element.line, fault)
            else:
                if entry is not None:
                    yield entry
                if cuts and cuts.lines:
                    yield pvalue.TaggedOutput(_CUTS, cuts)
                stats = loss_stats(element, self._config)
                count(recordings=1, windows=stats.kept_windows)
                if collector is not None:
                    collector.add(element, stats)
                yield pvalue.TaggedOutput(_STATS, stats)
        if isinstance(element, Reject):
            count(rejects=1)
            if collector is not None:
                collector.add_reject(element)
            yield pvalue.TaggedOutput(_REJECTS, serialise_reject(element))
            yield pvalue.TaggedOutput(_STATS, LossStats.of_reject(element.fault.reason.value))

    def finish_bundle(self) -> Iterator[pvalue.TaggedOutput]:
        if self._collector is not None:
            yield pvalue.TaggedOutput(_REPORT, GlobalWindows.windowed_value(self._collector.taken()))


class ParseRecording(beam.PTransform):
    """Entries (dicts, bytes, text, or `ManifestLine`s of `ReadManifests`) to recordings; blank lines are left out.

    An entry that cannot be used goes on as a `Reject`. The following steps hand it on.

    >>> entry = {"audio_filepath": "a.wav", "audio_sample_rate": 16000, "segments": []}
    >>> with beam.Pipeline() as pipeline:
    ...     recordings = pipeline | beam.Create([entry, b"{"]) | ParseRecording()
    ...     _ = recordings | beam.Map(lambda each: type(each).__name__) | beam.Map(print)
    Recording
    Reject
    """

    def __init__(self, config: ManifestConfig = ManifestConfig()):
        """
        Args:
            config: how an entry is read.
        """
        super().__init__()
        self._config = config

    def expand(self, elements: PCollection[Entry]) -> PCollection[Element]:
        return elements | beam.ParDo(_ParseRecording(self._config))


class BuildWindows(beam.PTransform):
    """Recordings to their candidate windows, a `CandidateWindows` for each.

    A recording that cannot be used goes on as a `Reject`; what is not a recording goes on as it is.

    >>> entry = {"audio_sample_rate": 16000, "segments": [
    ...     {"start": 5.0 * n, "end": 5.0 * n + 4, "speaker": "ab"[n % 2]} for n in range(4)]}
    >>> windows = WindowConfig(target_window_duration=10, min_bandwidth=0)
    >>> with beam.Pipeline() as pipeline:
    ...     candidates = pipeline | beam.Create([entry]) | ParseRecording() | BuildWindows(windows)
    ...     _ = candidates | beam.Map(len) | beam.Map(print)
    3
    """

    def __init__(self, config: WindowConfig = WindowConfig(), *, few_written: bool = False):
        """
        Args:
            config: which runs of segments are windows.
            few_written: see `build_windows`.
        """
        super().__init__()
        self._do_fn = _BuildWindows(config, few_written)

    def expand(self, recordings: PCollection[Element]) -> PCollection[Element]:
        return recordings | beam.ParDo(self._do_fn)


class FilterOverlaps(beam.PTransform):
    """Candidate windows to those that are kept, a `KeptWindows` for each recording. A `Reject` goes on as it is.

    >>> entry = {"audio_sample_rate": 16000, "segments": [
    ...     {"start": 5.0 * n, "end": 5.0 * n + 4, "speaker": "ab"[n % 2]} for n in range(4)]}
    >>> windows = WindowConfig(target_window_duration=10, min_bandwidth=0)
    >>> with beam.Pipeline() as pipeline:
    ...     candidates = pipeline | beam.Create([entry]) | ParseRecording() | BuildWindows(windows)
    ...     _ = candidates | FilterOverlaps() | beam.Map(len) | beam.Map(print)
    2
    """

    def __init__(self, config: OverlapConfig = OverlapConfig()):
        """
        Args:
            config: which of the overlapping windows are kept. A target duration that it does not state is that of the
                windows.
        """
        super().__init__()
        self._config = config

    def expand(self, candidates: PCollection[Element]) -> PCollection[Element]:
        return candidates | beam.ParDo(_FilterOverlaps(self._config))


class ToEntries(beam.PTransform):
    """Kept windows to output entries, a line of JSON (bytes, without a newline) for each recording.

    Rejects are left out. An entry that is nested too deep to be written raises BadEntry while the pipeline runs;
    `MakeWindows` makes it a reject.

    >>> import json
    >>> entry = {"audio_sample_rate": 16000, "segments": [
    ...     {"start": 5.0 * n, "end": 5.0 * n + 4, "speaker": "ab"[n % 2]} for n in range(4)]}
    >>> windows = WindowConfig(target_window_duration=10, min_bandwidth=0)
    >>> with beam.Pipeline() as pipeline:
    ...     candidates = pipeline | beam.Create([entry]) | ParseRecording() | BuildWindows(windows)
    ...     lines = candidates | FilterOverlaps() | ToEntries()
    ...     _ = lines | beam.Map(json.loads) | beam.Map(lambda written: print(written["filtered_dur_list"]))
    [10.0, 9.0]
    """

    def __init__(self, config: EntryConfig = EntryConfig()):
        """
        Args:
            config: what is written of a recording.
        """
        super().__init__()
        self._config = config

    def expand(self, kept: PCollection[Element]) -> PCollection[bytes]:
        return kept | beam.ParDo(_ToEntries(self._config)).with_output_types(bytes)


class ToCuts(beam.PTransform):
    """Kept windows to Lhotse cuts, a line of JSON (bytes, without a newline) for each window.

    Rejects are left out. A recording that is nested too deep to be written raises BadEntry while the pipeline runs;
    `MakeWindows` makes it a reject.

    >>> import json
    >>> entry = {"audio_sample_rate": 16000, "segments": [
    ...     {"start": 5.0 * n, "end": 5.0 * n + 4, "speaker": "ab"[n % 2]} for n in range(4)]}
    >>> windows = WindowConfig(target_window_duration=10, min_bandwidth=0)
    >>> with beam.Pipeline() as pipeline:
    ...     candidates = pipeline | beam.Create([entry]) | ParseRecording() | BuildWindows(windows)
    ...     lines = candidates | FilterOverlaps() | ToCuts()
    ...     _ = lines | beam.Map(json.loads) | beam.Map(lambda cut: print(cut["duration"]))
    10.0
    9.0
    """

    def __init__(self, config: EntryConfig = EntryConfig()):
        """
        Args:
            config: what is written of a recording.
        """
        super().__init__()
        self._config = config

    def expand(self, kept: PCollection[Element]) -> PCollection[bytes]:
        return kept | beam.ParDo(_ToCuts(self._config)).with_output_types(bytes)


class SerialiseWindows(beam.PTransform):
    """Kept windows and rejects to lines of JSON. Outputs: `entries`, `cuts`, `rejects`, and `stats` of each entry.

    Cuts come as the `CutLines` of a recording. There is also `report`, of each bundle, if a report is asked for.
    """

    def __init__(self, config: EntryConfig = EntryConfig(), report: ReportConfig | None = None):
        """
        Args:
            config: what is written of a recording.
            report: what is collected for the report; None for nothing.
        """
        super().__init__()
        self._do_fn = _SerialiseAll(config, report)

    def expand(self, kept: PCollection[Element]) -> Any:
        outputs = (_CUTS, _REJECTS, _STATS, _REPORT)
        return kept | beam.ParDo(self._do_fn).with_outputs(*outputs, main=_ENTRIES)


class MadeWindows(NamedTuple):
    """What `MakeWindows` gives.

    Attributes:
        entries: output entries, a line of JSON for each recording (bytes, without a newline).
        cuts: Lhotse cuts, a line of JSON for each kept window.
        rejects: a line of JSON for each entry that could not be used.
        stats: the statistics of all entries, one `LossStats`.

    >>> import json
    >>> with beam.Pipeline() as pipeline:
    ...     made = pipeline | beam.Create([b"{"]) | MakeWindows()
    ...     _ = made.rejects | beam.Map(lambda line: print(json.loads(line)["reason"]))
    cut_off
    """

    entries: PCollection[bytes]
    cuts: PCollection[bytes]
    rejects: PCollection[bytes]
    stats: PCollection[LossStats]


class MakeWindows(beam.PTransform):
    """The whole way from entries (dicts, bytes, text or `ManifestLine`s) to windows, as the main job does it.

    >>> import alm_beam.sample
    >>> from alm_beam.transforms.read import ReadManifests
    >>> with beam.Pipeline() as pipeline:
    ...     made = pipeline | ReadManifests(alm_beam.sample.SHIPPED) | MakeWindows()
    ...     _ = made.stats | beam.Map(lambda stats: print(stats.recordings))
    5
    """

    def __init__(
        self,
        windows: WindowConfig = WindowConfig(),
        overlap: OverlapConfig = OverlapConfig(),
        entry: EntryConfig = EntryConfig(),
        manifest: ManifestConfig = ManifestConfig(),
    ):
        """
        Args:
            windows: which runs of segments are windows.
            overlap: which of the overlapping windows are kept.
            entry: what is written of a recording.
            manifest: how an entry is read.
        """
        super().__init__()
        self._windows, self._overlap, self._entry, self._manifest = windows, overlap, entry, manifest

    @no_annotations  # Beam knows no type of several outputs
    def expand(self, elements: PCollection[Entry]) -> MadeWindows:
        recordings = elements | ParseRecording(self._manifest)
        kept = recordings | BuildWindows(self._windows) | FilterOverlaps(self._overlap)
        made = kept | SerialiseWindows(self._entry)
        stats = made.stats | "CombineLosses" >> CombineStatistics(LossStats)
        cuts = made.cuts | "CutLines" >> beam.FlatMap(attrgetter("lines")).with_output_types(bytes)
        return MadeWindows(made.entries, cuts, made.rejects, stats)
