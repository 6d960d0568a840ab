"""What a conversion would make of a sample of its files, in memory."""

import time
from collections import defaultdict
from itertools import starmap

from alm_beam.core.convert_config import ConvertConfig
from alm_beam.core.convert_stats import ConvertStats
from alm_beam.core.estimate import Part, add_to
from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import ManifestLine
from alm_beam.formats.format import PASSED_OVER, Piece
from alm_beam.jobs.conversion import Conversion, statistics_file
from alm_beam.jobs.sample import CPU, LINE_FACTOR, RECORDINGS, REJECTED, Sample, reject_bytes
from alm_beam.storage.outputs import CONVERT_STATS, REJECTS
from alm_beam.storage.sampling import draws, is_read_whole, stored_per_byte

START_SECONDS = 0.5
PROCESS_BYTES = 130e6
"""Of memory: 64 MiB of what is gathered are held, and the rest is on disk."""

_FILE_BYTES = 4 << 20
"""Of the lines of a file so many are looked at: most files are of one recording, which is then whole."""

_ALL_BYTES = 32 << 20

_CPU_SECONDS = 10.0

_WORK = 1.3
"""What a run takes for a line, in multiples of what it takes here, where nothing is sorted or written."""

_LINES = "lines"
"""Those that are used, documents among them, as `convert_stats.json` counts them: rejects are a share of them."""


def sampled_conversion(source: Conversion, config: ConvertConfig) -> Sample:
    """A sample of what a conversion would make: of some of its files, from their beginning.

    Args:
        source: the conversion.
        config: what the run is told.

    Raises:
        ManifestReadError: a file cannot be read.
    """
    files, stats = source.files, ConvertStats()
    outputs = [source.output.name, REJECTS.name]
    sample = Sample(sum(each.size for each in files), is_read_whole(files), outputs, what="files", used=_LINES)
    began, total, seen = time.process_time(), 0.0, set[int]()
    for file in (drawn.file for drawn in draws(files)):
        if file in seen:
            sample.parts.append(Part(file, 0, {}))
        elif total > _ALL_BYTES or time.process_time() - began > _CPU_SECONDS:
            sample.is_all = False
        else:
            part = _made(source, file, sample, stats)
            total += part.size
            sample.looked_at += 1
            sample.parts.append(part)
            add_to(sample.counted, part.amounts)
            seen.add(file)
    stats.rejected = sample.rejected
    sample.files = {CONVERT_STATS: len(statistics_file(config, stats))}
    return sample


def _made(source: Conversion, file: int, sample: Sample, stats: ConvertStats) -> Part:
    """What the file, or its beginning, gives."""
    begin, size, is_cut = time.process_time(), 0, False
    gathered, rejects = defaultdict[str, list[Piece]](list), list[tuple[ManifestLine, BadEntry]]()
    lines = 0
    for line in source.lines(file):
        size += len(line.text) + 1
        sample.longest = max(sample.longest, LINE_FACTOR * len(line.text))
        try:
            if line.fault is not None:
                raise line.fault
            pieces = [*source.pieces(file, line)]
            lines += bool(pieces)
            for piece in pieces:
                if piece.kind != PASSED_OVER:
                    gathered[piece.recording].append(piece)
        except BadEntry as fault:
            rejects.append((line, fault))
        if size > _FILE_BYTES:
            is_cut = True
            sample.is_all = False
            break
    written, recordings = 0, 0
    for recording, pieces in gathered.items():
        try:
            written += sum(len(line) + 1 for line in source.written(recording, pieces, stats))
            recordings += 1
        except BadEntry as fault:
            rejects.append((ManifestLine("", 0, recording.encode()), fault))
    sample.rejected.update(each.reason.value for _, each in rejects)
    stored = float(source.files[file].size)
    if is_cut:
        stored = min(size * stored_per_byte(source.files[file], source.options), stored)
    amounts = {
        _LINES: lines,
        RECORDINGS: recordings,
        REJECTED: len(rejects),
        source.output.name: written,
        REJECTS.name: sum(starmap(reject_bytes, rejects)),
        CPU: (time.process_time() - begin) * _WORK,
    }
    return Part(file, stored, amounts)
