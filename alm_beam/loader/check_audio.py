"""The check of `alm-beam check-loader` that reads audio: whether windows have all of theirs, undamaged."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from alm_beam.audio.spans import counted_samples
from alm_beam.core.audio_member import AudioMember
from alm_beam.core.text import visible
from alm_beam.loader.audio import Audio, FolderAudio
from alm_beam.loader.check import CheckConfig
from alm_beam.loader.check_findings import SKIPPED, Check, Finding, finding_of
from alm_beam.loader.check_static import spread
from alm_beam.loader.reader import Reader, WindowError
from alm_beam.loader.sources import OpenSource

_MOST_BYTES = 1 << 30
"""So much audio of the shards of a source is decoded at most, which takes half a minute."""

_MOST_PLAIN = 64
"""Windows of plain cuts, of each source: each may have to be fetched and decoded from a far end."""


def audio_found(config: CheckConfig, *, of_plain_cuts: bool, audio_root: str | None) -> Finding:
    """Reads the audio of windows, from the first row to the last.

    Args:
        config: what is checked.
        of_plain_cuts: whether that of cuts that point into recordings is read, too.
        audio_root: folder that relative paths of audio files are below.
    """
    faults: list[str] = []
    evidence: list[str] = []
    for number, each in enumerate(config.sources):
        rows = _rows(each, config.limit, of_plain_cuts)
        if rows:
            folder = FolderAudio(each.index.url, each.index.options, audio_root)
            faults += _faults(number, each, rows, folder)
            evidence.append(f"source {number}: {len(rows):,} of {each.rows:,}")
    if not evidence:
        return Finding(Check.AUDIO, SKIPPED, "cuts of no shards; --audio reads their recordings")
    return finding_of(Check.AUDIO, f"windows of {', '.join(evidence)}", faults)


def _rows(source: OpenSource, limit: int, of_plain_cuts: bool) -> list[int]:
    """The rows that are read, counted from the first one of the source."""
    reader, sizes = Reader(source.index), []
    for row in source.index_rows(np.array(spread(source.rows), np.int64)).tolist():
        try:
            member = AudioMember.of(reader[row])
        except (ValueError, OSError):  # which is found again where all rows are read
            continue
        if member is not None:
            sizes.append(member.bytes)
    if not sizes:
        return spread(source.rows, min(limit, _MOST_PLAIN)) if of_plain_cuts else []
    mean = max(1, sum(sizes) // len(sizes))
    return spread(source.rows, min(limit, max(1, _MOST_BYTES // mean)))


def _faults(number: int, source: OpenSource, rows: list[int], folder: FolderAudio) -> Iterator[str]:
    reader = Reader(source.index)
    for row in source.index_rows(np.array(rows, np.int64)).tolist():
        where = f"source {number} row {row}"
        try:
            window = reader[row]
            fault = _length_fault(window, folder.of(window))
        except (WindowError, OSError, ImportError) as error:
            fault = str(error)
        if fault:
            yield f"{where}: {fault}"


def _length_fault(window: Mapping[str, Any], audio: Audio) -> str:
    """What is wrong with the length of the audio of a window; empty if nothing is."""
    found, expected = audio.samples.shape[1], counted_samples(window["duration"], audio.sample_rate)
    if found == expected:
        return ""
    member = AudioMember.of(window)
    where = f"{member.file}: " if member else ""
    name = visible(repr(window.get("id")))
    what = f"{found} samples at {audio.sample_rate} Hz, and its {window['duration']} s have {expected}"
    return f"{where}the audio of window {name} has {what}; make the shards again: alm-beam shards --overwrite"
