"""What the main job would make of a sample of its input, in this process and without Beam."""

from collections.abc import Sequence

from alm_beam.core.config import JobConfig, OverlapConfig
from alm_beam.core.cuts import serialise_cuts
from alm_beam.core.entries import serialise_entry
from alm_beam.core.faults import BadEntry
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.manifest import ManifestLine, Reject, parse_recording, serialise_reject
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.windows import build_windows
from alm_beam.jobs.sample import RECORDINGS, REJECTED, Sample
from alm_beam.jobs.sampled_lines import look_at_lines
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.index.format import OFFSETS_ENDING, ROW
from alm_beam.storage.outputs import CUTS, ENTRIES, REJECTS
from alm_beam.storage.sampling import is_read_whole, lines_drawn

_INDEX = "index"
_OFFSETS = f"{CUTS.name}{CUTS.suffix}{OFFSETS_ENDING}"
_OFFSET_BYTES = 8

_LINE_FACTOR = 8
"""The memory that a recording takes while it is worked on, in multiples of its line, beside what is written of it."""


def sampled_windows(config: JobConfig, manifests: Sequence[Manifest], options: StorageOptions) -> Sample:
    """A sample of what the job would make of these manifests.

    Raises:
        ManifestReadError: a file cannot be read.
    """
    stored = sum(each.size for each in manifests)
    outputs = [ENTRIES.name, *([CUTS.name, _OFFSETS, _INDEX] if config.entry.cuts else []), REJECTS.name]
    sample = Sample(stored * config.repeat_factor, is_read_whole(manifests), outputs)
    overlap = config.overlap.for_input(stored * config.repeat_factor)
    look_at_lines(
        sample,
        lines_drawn(manifests, options, config.entry.max_line_bytes),
        manifests,
        config.repeat_factor,
        lambda line: _made(line, config, overlap, sample),
    )
    return sample


def _made(line: ManifestLine, config: JobConfig, overlap: OverlapConfig, sample: Sample) -> dict[str, float]:
    """The amounts of one line."""
    try:
        kept = filter_overlaps(build_windows(parse_recording(line, config.manifest), config.windows), overlap)
        entry = serialise_entry(kept, config.entry)
        cuts = serialise_cuts(kept, config.entry) if config.entry.cuts else []
        stats = loss_stats(kept, config.entry)
    except BadEntry as fault:
        sample.rejected[fault.reason.value] += 1
        return {REJECTED: 1, REJECTS.name: len(serialise_reject(Reject(line, fault))) + 1}
    size = sum(map(len, cuts)) + len(cuts)
    sample.longest = max(sample.longest, _LINE_FACTOR * len(line.text) + len(entry) + size)
    made = {
        RECORDINGS: 1,
        "hours_of_audio": stats.audio_seconds / 3600,
        "kept_windows": stats.kept_windows,
        "kept_hours": stats.kept_seconds / 3600,
        ENTRIES.name: len(entry) + 1,
    }
    if config.entry.cuts:
        made |= {CUTS.name: size, _OFFSETS: _OFFSET_BYTES * len(cuts), _INDEX: ROW.itemsize * len(cuts)}
    return made
