"""What the main job would make of a sample of its input, in this process and without Beam."""

from collections.abc import Mapping, Sequence
from typing import Any

from alm_beam.core.config import JobConfig, OverlapConfig
from alm_beam.core.cuts import serialise_cuts
from alm_beam.core.entries import serialise_entry
from alm_beam.core.estimate import Part
from alm_beam.core.faults import BadEntry
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.losses import LossStats
from alm_beam.core.manifest import ManifestLine, Reject, parse_recording
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.report_collector import ReportCollector, ReportConfig
from alm_beam.core.windows import build_windows
from alm_beam.jobs.sample import LINE_FACTOR, RECORDINGS, REJECTED, Sample, reject_bytes
from alm_beam.jobs.sampled_files import INDEX, INDEX_JSON, OFFSET_BYTES, OFFSETS, index_size, statistics_size
from alm_beam.jobs.sampled_lines import look_at_lines
from alm_beam.report.report_writer import ReportWriter
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.index.format import ROW
from alm_beam.storage.outputs import CUTS, ENTRIES, LOSS_STATS, REJECTS
from alm_beam.storage.sampling import is_read_whole, lines_drawn

_WRITTEN_FACTOR = 2
"""The memory that what is written of a line takes, in multiples of it: as it is made, and as it is buffered."""


def sampled_windows(
    config: JobConfig, manifests: Sequence[Manifest], options: StorageOptions, facts: Mapping[str, Any]
) -> Sample:
    """A sample of what the job would make of these manifests.

    Args:
        config: what the run is told.
        manifests: the files.
        options: fsspec's, by protocol.
        facts: what the file of statistics states beside them.

    Raises:
        ManifestReadError: a file cannot be read.
    """
    stored = sum(each.size for each in manifests)
    entries = [ENTRIES.name] if config.entry.entries else []
    outputs = [*entries, *([CUTS.name, OFFSETS, INDEX] if config.entry.cuts else []), REJECTS.name]
    sample = Sample(stored, is_read_whole(manifests), outputs, config.repeat_factor)
    maker = _Maker(config, config.overlap.for_input(stored * config.repeat_factor), sample)
    drawn = lines_drawn(manifests, options, config.entry.max_line_bytes)
    look_at_lines(sample, drawn, manifests, maker.made)
    if sample.is_all and config.entry.cuts:
        sample.parts.append(Part(0, 0, {OFFSETS: OFFSET_BYTES}))  # the end of the last cut
    sample.files = maker.files(facts)
    return sample


class _Maker:
    """Makes windows of lines, and adds up what a run would state of them."""

    def __init__(self, config: JobConfig, overlap: OverlapConfig, sample: Sample):
        self._config, self._overlap, self._sample = config, overlap, sample
        self._stats = LossStats()
        self._report = ReportCollector(ReportConfig.of(config.windows, 0)) if config.entry.report else None

    def made(self, line: ManifestLine) -> dict[str, float]:
        """The amounts of one line."""
        config, sample = self._config, self._sample
        try:
            windows = build_windows(parse_recording(line, config.manifest), config.windows)
            kept = filter_overlaps(windows, self._overlap)
            entry = serialise_entry(kept, config.entry) if config.entry.entries else b""
            cuts = serialise_cuts(kept, config.entry).lines if config.entry.cuts else []
            stats = loss_stats(kept, config.entry)
        except BadEntry as fault:
            sample.rejected[fault.reason.value] += 1
            self._stats += LossStats.of_reject(fault.reason.value)
            if self._report:
                self._report.add_reject(Reject(line, fault))
            return {REJECTED: 1, REJECTS.name: reject_bytes(line, fault)}
        self._stats += stats
        if self._report:
            self._report.add(kept, stats)
        size = sum(map(len, cuts)) + len(cuts)
        sample.longest = max(sample.longest, LINE_FACTOR * len(line.text) + _WRITTEN_FACTOR * (len(entry) + size))
        made = {
            RECORDINGS: 1,
            "hours_of_audio": stats.audio_seconds / 3600,
            "kept_windows": stats.kept_windows,
            "kept_hours": stats.kept_seconds / 3600,
        }
        if config.entry.entries:
            made[ENTRIES.name] = len(entry) + 1
        if config.entry.cuts:
            made |= {CUTS.name: size, OFFSETS: OFFSET_BYTES * len(cuts), INDEX: ROW.itemsize * len(cuts)}
        return made

    def files(self, facts: Mapping[str, Any]) -> dict[str, int]:
        """The bytes of the files that a run writes once, if the rest is as these lines."""
        stats = self._stats
        sizes = {LOSS_STATS: statistics_size(stats, facts)}
        if self._config.entry.cuts:
            sizes[INDEX_JSON] = index_size(stats.kept_windows, stats.kept_seconds)
        if self._report:
            written = ReportWriter()({**stats.to_dict(), **facts}, self._report.taken())
            sizes |= {name: len(content) for name, content in written.items()}
        return sizes
