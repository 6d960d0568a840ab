"""What the main job would make of a sample of its input, in this process and without Beam."""

import time
from collections.abc import Sequence

from alm_beam.core.config import JobConfig, OverlapConfig
from alm_beam.core.cuts import serialise_cuts
from alm_beam.core.entries import serialise_entry
from alm_beam.core.estimate import Part, add_to
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.loss_stats import loss_stats
from alm_beam.core.manifest import ManifestLine, Reject, parse_recording, serialise_reject
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.windows import build_windows
from alm_beam.jobs.sample import CPU, RECORDINGS, REJECTED, Sample
from alm_beam.storage.compression import is_compressed
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.index.format import OFFSETS_ENDING, ROW
from alm_beam.storage.outputs import CUTS, ENTRIES, REJECTS
from alm_beam.storage.sampling import is_read_whole, lines_drawn

_INDEX = "index"
_OFFSETS = f"{CUTS.name}{CUTS.suffix}{OFFSETS_ENDING}"
_OFFSET_BYTES = 8

_CPU_SECONDS = 10.0
"""After so much work no more places are looked at."""

_WORK = 1.2
"""What a run takes for a recording, in multiples of what it takes here, where no Beam is."""

_WRITE_SECONDS = 2.9e-9
"""Of CPU, that a byte of the output takes beside that."""

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
    began = time.process_time()
    for place in lines_drawn(manifests, options, config.entry.max_line_bytes):
        begin = time.process_time()
        if begin - began > _CPU_SECONDS:
            sample.is_all = False
            sample.notes.append(f"the sample takes long, so {len(sample.parts)} places of it were looked at")
            break
        amounts, size = dict.fromkeys(outputs, 0.0), 0
        for line in place.lines:
            is_file = line.fault is not None and line.fault.reason is RejectReason.NOT_A_MANIFEST
            size += manifests[place.drawn.file].size if is_file else len(line.text) + 1
            sample.looked_at += 1
            add_to(amounts, _made(line, config, overlap, sample))
        written = sum(amounts[name] for name in outputs)
        amounts[CPU] = (time.process_time() - begin) * _WORK + written * _WRITE_SECONDS
        whole = size * place.stored_per_byte if place.stored is None else place.stored
        sample.parts.append(Part(place.drawn.file, whole, amounts))
    if not sample.is_all and any(is_compressed(each.path) for each in manifests):
        sample.notes.append("of compressed files, only the beginning is looked at")
    if sample.is_all:
        sample.parts = [part for part in sample.parts for _ in range(config.repeat_factor)]
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
