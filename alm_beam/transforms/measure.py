"""From entries of manifests to the same entries with what was measured of their audio, one recording at a time."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Literal, TypeAlias

import apache_beam as beam
from apache_beam import PCollection, pvalue

import alm_beam.transforms.coders  # noqa: F401 (registers the coders of elements)
from alm_beam.audio.levels import Levels
from alm_beam.audio.measure import MeasuredAudio, measure_audio
from alm_beam.core.audio_entry import AudioEntry, measure_stats, measured_line, parse_audio_entry, without_bandwidth
from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import ManifestLine, Reject, serialise_reject
from alm_beam.core.measure_config import AudioConfig
from alm_beam.core.measure_stats import MeasureStats
from alm_beam.core.text import visible
from alm_beam.storage.audio_files import audio_url
from alm_beam.storage.limits import out_of_memory
from alm_beam.storage.measurements import Measurements, audio_key
from alm_beam.storage.staged_run import StagedRun
from alm_beam.storage.tally import count

_MANIFESTS, _REJECTS, _STATS = "manifests", "rejects", "stats"
_Rejects: TypeAlias = pvalue.TaggedOutput[Literal["rejects"], bytes]
_Stats: TypeAlias = pvalue.TaggedOutput[Literal["stats"], MeasureStats]


class _MeasureAudio(beam.DoFn):
    """What one recording leaves: its line, or its reject, and its statistics."""

    def __init__(self, run: StagedRun, root: str, config: AudioConfig):
        self._run = run
        self._root = root
        self._config = config

    def setup(self) -> None:
        self._measurements = Measurements(self._run.folder.kept_url, self._run.options)
        self._latest: tuple[str, tuple[MeasuredAudio, bool]] | None = None  # lines of one file stand together in NeMo's

    def process(self, line: ManifestLine) -> Iterator[bytes | _Rejects | _Stats]:
        try:
            measured, stats = self._measured(line)
        except BadEntry as fault:
            count(rejects=1)
            yield pvalue.TaggedOutput(_REJECTS, serialise_reject(Reject(line, fault)))
            yield pvalue.TaggedOutput(_STATS, MeasureStats.of_reject(fault.reason.value))
        except MemoryError as error:
            where = f"{visible(line.file)}, byte {line.offset}: the recording could not be measured"
            raise OSError(f"{where}: {out_of_memory(str(error))}") from None
        else:
            count(recordings=1)
            yield measured
            yield pvalue.TaggedOutput(_STATS, stats)

    def _measured(self, line: ManifestLine) -> tuple[bytes, MeasureStats]:
        entry, config = parse_audio_entry(line), self._config
        bandwidth_of = without_bandwidth(entry) if config.bandwidth else []
        levels_of = range(len(entry.segments)) if config.levels else range(0)
        audio, is_taken_over = self._audio(entry, entry.spans(bandwidth_of), entry.spans(levels_of))
        measured = measured_line(entry, audio, bandwidth_of, levels_of, config)
        return measured, measure_stats(entry, audio, is_taken_over=is_taken_over)

    def _audio(
        self, entry: AudioEntry, bandwidth_of: list[tuple[float, float]], levels_of: list[tuple[float, float]]
    ) -> tuple[MeasuredAudio, bool]:
        """What there is to know of the audio, and whether an earlier run has found it out."""
        url, options = audio_url(entry.path, self._root), self._run.options
        key = audio_key(url, {"bandwidth": bandwidth_of, "levels": levels_of}, options)
        if key is not None and self._latest is not None and self._latest[0] == key:
            return self._latest[1]
        content = self._measurements.kept(key) if key else None
        found = (
            (measure_audio(url, options, bandwidth_of=bandwidth_of, levels_of=levels_of), False)
            if content is None
            else (_from_dict(content), True)
        )
        if key is not None:
            if content is None:
                self._measurements.keep(key, _to_dict(found[0]))
            self._latest = key, found
        return found


class MeasureAudio(beam.PTransform):
    """Lines of manifests to their lines with what was measured. Outputs: `manifests`, `rejects`, and `stats` of each.

    What was measured of a file is kept in the run's folder as soon as it is there, and taken from there if an earlier
    run that was cut short has left it.
    """

    def __init__(self, run: StagedRun, root: str, config: AudioConfig):
        """
        Args:
            run: the run.
            root: the folder, absolute or a URL, that relative paths of audio files are below.
            config: what is measured.
        """
        super().__init__()
        self._do_fn = _MeasureAudio(run, root, config)

    def expand(self, lines: PCollection[ManifestLine]) -> Any:
        return lines | beam.ParDo(self._do_fn).with_outputs(_REJECTS, _STATS, main=_MANIFESTS)


def _to_dict(audio: MeasuredAudio) -> dict[str, Any]:
    levels = [None if each is None else [*each] for each in audio.levels]  # orjson takes no tuples with names
    return {**asdict(audio), "levels": levels}


def _from_dict(content: dict[str, Any]) -> MeasuredAudio:
    levels = [None if each is None else Levels(*each) for each in content["levels"]]
    return MeasuredAudio(**{**content, "levels": levels})
