"""What the job that measures audio would make of a sample of its input, in this process and without Beam."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alm_beam.audio.measure import measure_audio
from alm_beam.core.audio_entry import AudioEntry, measured_line, parse_audio_entry, without_bandwidth
from alm_beam.core.estimate import Part, add_to
from alm_beam.core.faults import BadEntry
from alm_beam.core.measure_config import AudioConfig
from alm_beam.core.measure_stats import MeasureStats
from alm_beam.jobs.sample import CPU, LINE_FACTOR, RECORDINGS, REJECTED, Sample, reject_bytes
from alm_beam.jobs.sampled_files import statistics_size
from alm_beam.storage.audio_files import audio_url
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.outputs import MEASURE, MEASURED, REJECTS
from alm_beam.storage.sampling import Unseen, is_read_whole, lines_drawn

_AUDIO_SECONDS = 5.0
"""After so much time no more audio is read."""

_MOST_MEASURED = 100

_LINE_SECONDS = 2e-4
"""Of CPU, that the line of a recording takes beside its audio."""

_MOST_SECONDS = 1e9


@dataclass
class _Measured:
    """What was found of the recordings whose audio was read."""

    count: int = 0
    seconds: float = 0.0
    hours: float = 0.0
    segments: int = 0
    grown: int = 0
    rejects: int = 0
    reject_bytes: int = 0


def sampled_audio(
    config: AudioConfig, manifests: Sequence[Manifest], root: str, options: StorageOptions, facts: Mapping[str, Any]
) -> Sample:
    """A sample of what the job would make of these manifests, and of the audio of some of its recordings.

    Args:
        config: what is measured.
        manifests: the files.
        root: the folder that relative paths of audio files are below.
        options: fsspec's, by protocol.
        facts: what the file of statistics states beside them.

    Raises:
        ManifestReadError: a file cannot be read.
        OSError: a store fails.
    """
    outputs = [MEASURED.name, REJECTS.name]
    sample = Sample(sum(each.size for each in manifests), is_read_whole(manifests), outputs)
    places: list[tuple[int, float, list[AudioEntry], dict[str, float]]] = []
    measured, unseen = _Measured(), Unseen()
    for place in lines_drawn(manifests, options, config.max_line_bytes):
        entries, amounts = list[AudioEntry](), dict[str, float]()
        for line in unseen.of(place):
            sample.looked_at += 1
            try:
                entries.append(parse_audio_entry(line))
            except BadEntry as fault:
                sample.rejected[fault.reason.value] += 1
                add_to(amounts, {REJECTED: 1, REJECTS.name: reject_bytes(line, fault)})
            sample.longest = max(sample.longest, LINE_FACTOR * len(line.text))
        places.append((place.drawn.file, unseen.stored(place, manifests[place.drawn.file].size), entries, amounts))
    for entry in _in_turns([entries for _, _, entries, _ in places]):
        if measured.seconds > _AUDIO_SECONDS or measured.count >= _MOST_MEASURED:
            sample.is_all = False
            break
        _measure(entry, config, root, options, measured, sample)
    is_in_lines = not sample.is_all and is_read_whole(manifests)  # all lines were read, and some of the audio
    for file, stored, entries, amounts in places:
        if is_in_lines:
            used = sum(len(each.line.text) + 1 for each in entries)
            sample.parts.append(Part(0, max(stored - used, 0), amounts))
            sample.parts += (Part(0, len(each.line.text) + 1, _amounts([each], measured, config)) for each in entries)
        else:
            add_to(amounts, _amounts(entries, measured, config))
            sample.parts.append(Part(file, stored, amounts))
    used, rejects = measured.count - measured.rejects, sample.rejected
    sample.counted = {RECORDINGS: used, REJECTED: rejects.total(), "hours_of_audio": measured.hours}
    stats = MeasureStats(used, rejects, audio_seconds=3600 * measured.hours, segments=measured.segments)
    sample.files = {MEASURE.statistics: statistics_size(stats, facts)}
    sample.notes.append(f"the audio of {measured.count} of them was read, {measured.hours:.2f} hours")
    return sample


def _in_turns(places: Sequence[Sequence[AudioEntry]]) -> list[AudioEntry]:
    """The first one of each place, then the second ones, and so on."""
    most = max(map(len, places), default=0)
    return [each[at] for at in range(min(most, _MOST_MEASURED)) for each in places if at < len(each)]


def _measure(
    entry: AudioEntry, config: AudioConfig, root: str, options: StorageOptions, measured: _Measured, sample: Sample
) -> None:
    bandwidth_of = without_bandwidth(entry) if config.bandwidth else []
    levels_of = range(len(entry.segments)) if config.levels else range(0)
    measured.count += 1
    begin = time.perf_counter()
    try:
        url = audio_url(entry.path, root)
        spans = {"bandwidth_of": entry.spans(bandwidth_of), "levels_of": entry.spans(levels_of)}
        audio = measure_audio(url, options, **spans)
        line = measured_line(entry, audio, bandwidth_of, levels_of, config)
    except BadEntry as fault:
        sample.rejected[fault.reason.value] += 1
        measured.rejects += 1
        measured.reject_bytes += reject_bytes(entry.line, fault)
        return
    finally:
        measured.seconds += time.perf_counter() - begin
    measured.hours += audio.duration / 3600
    measured.segments += len(entry.segments)
    measured.grown += len(line) - len(entry.line.text)


def _amounts(entries: Sequence[AudioEntry], measured: _Measured, config: AudioConfig) -> dict[str, float]:
    """What is to be expected of recordings, from those whose audio was read."""
    if not entries:
        return {}
    bad = measured.rejects / measured.count if measured.count else 0.0
    good = len(entries) * (1 - bad)
    hours = sum(map(_stated_seconds, entries)) / 3600 * (1 - bad)
    size = sum(len(entry.line.text) + 1 for entry in entries) * (1 - bad)
    decodes = (config.bandwidth or config.levels) and measured.hours
    audio = measured.seconds * (hours / measured.hours if decodes else good / max(measured.count, 1))
    segments = sum(len(entry.segments) for entry in entries) * (1 - bad)
    grown = measured.grown / measured.segments * segments if measured.segments else 0.0
    amounts: dict[str, float] = {
        RECORDINGS: good,
        "hours_of_audio": hours,
        MEASURED.name: size + grown,
        CPU: audio + _LINE_SECONDS * len(entries),
        REJECTED: len(entries) * bad,
    }
    if measured.rejects:
        amounts[REJECTS.name] = measured.reject_bytes / measured.rejects * len(entries) * bad
    return amounts


def _stated_seconds(entry: AudioEntry) -> float:
    stated = entry.entry.get("duration")
    if isinstance(stated, (int, float)) and 0 < stated < _MOST_SECONDS:
        return float(stated)
    return max(entry.ends, default=0.0)
