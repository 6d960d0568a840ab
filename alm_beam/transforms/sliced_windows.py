"""The windows of cuts with their audio, sliced and encoded: each file is decoded once for windows of one recording."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, TypeAlias

import numpy as np
import orjson

from alm_beam.audio.encode import encoded, output_rate
from alm_beam.audio.open import opened_audio
from alm_beam.audio.slices import Slice, Span, slices
from alm_beam.core.cut_audio import AudioFile, CutAudio, parse_cut
from alm_beam.core.cut_labels import language_of
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.manifest import ManifestLine, Reject
from alm_beam.core.shards_config import ShardsConfig
from alm_beam.core.text import visible
from alm_beam.shards.format import SlicedWindow
from alm_beam.shards.names import member_name
from alm_beam.storage.audio_places import AudioPlaces
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.secrets import shown

_Streams: TypeAlias = dict[AudioFile, Iterator[Slice | BadEntry]]


class PlannedCut(NamedTuple):
    """A cut whose window is to be made.

    Attributes:
        line: of the cuts.
        copy: how many cuts of the run before it have the same id.
        audio: what the line states.
    """

    line: ManifestLine
    copy: int
    audio: CutAudio

    def rejected(self, fault: BadEntry) -> Reject:
        """The reject of the cut, whose detail names it."""
        return Reject(self.line, BadEntry(fault.reason, f"cut {visible(self.audio.id)}: {fault.detail}"))


class MadeWindow(NamedTuple):
    """A window with its audio.

    Attributes:
        planned: the cut.
        sliced: the window, as a format takes it.
        parts: what the audio was made of, a slice for each file.
        gain: the factor by which the audio was scaled, as some was above full scale; None: it was not.
    """

    planned: PlannedCut
    sliced: SlicedWindow
    parts: Sequence[Slice]
    gain: float | None


class WindowSlicer:
    """Makes windows with their audio of lines of cuts."""

    def __init__(
        self, config: ShardsConfig, places: AudioPlaces, options: StorageOptions, begins: Callable[[str], None]
    ):
        """
        Args:
            config: what the run was told.
            places: where files are that cuts name.
            options: fsspec's, by protocol.
            begins: is told the path or URL of each file before it is read.
        """
        self._config = config
        self._places = places
        self._options = options
        self._begins = begins

    def windows(self, lines: Iterable[tuple[ManifestLine, int]]) -> Iterator[MadeWindow | Reject]:
        """For each line of cuts its window, or its reject; those of one recording have to stand together.

        Args:
            lines: each with the number of cuts before it that have the same id.

        Raises:
            OSError: a store fails, which says nothing of the cuts.
        """
        for _, group in groupby(map(_planned, lines), _recording_of):
            together = [*group]
            cuts = [each for each in together if isinstance(each, PlannedCut)]
            streams = self._streams(cuts)
            for planned in together:
                yield planned if isinstance(planned, Reject) else self._made(planned, streams)

    def _made(self, planned: PlannedCut, streams: _Streams) -> MadeWindow | Reject:
        parts: list[Slice] = []
        faults: list[BadEntry] = []
        for file in planned.audio.files:  # of each the next slice is this window's
            part = next(streams[file])
            if isinstance(part, Slice):
                parts.append(part)
            else:
                faults.append(part)
        if faults:
            return planned.rejected(faults[0])
        try:
            return self._encoded(planned, parts)
        except BadEntry as fault:
            return planned.rejected(fault)

    def _streams(self, cuts: Sequence[PlannedCut]) -> _Streams:
        """The slices of cuts of one recording, in their order, from each of its files."""
        config = self._config.audio
        is_mixed_here = config.channels == "mono" and all(len(each.audio.files) == 1 for each in cuts)
        streams: _Streams = {}
        for file in dict.fromkeys(file for each in cuts for file in each.audio.files):
            spans = [_span(each.audio, file) for each in cuts if file in each.audio.files]
            try:
                url = self._places.url(file.path)
                self._begins(url)
                rate = self._rate(url)
            except BadEntry as fault:
                streams[file] = iter([fault] * len(spans))
            else:
                streams[file] = slices(url, spans, self._options, sample_rate=rate, mono=is_mixed_here, pad=config.pad)
        return streams

    def _rate(self, url: str) -> int:
        """The sample rate that is asked for, Hz; 0: that of the file, which Opus may not take."""
        config = self._config.audio
        if config.sample_rate or config.audio_format != "opus":
            return config.sample_rate
        with opened_audio(url, self._options) as audio:
            return output_rate(audio.sample_rate, 0, config.audio_format)

    def _encoded(self, planned: PlannedCut, parts: Sequence[Slice]) -> MadeWindow:
        config, audio, cut = self._config.audio, planned.audio, planned.audio.cut
        _refuse_several_rates(audio, parts)
        samples = parts[0].values
        if len(parts) > 1:
            samples = np.concatenate([part.samples for part in parts])
        if config.channels == "mono" and len(samples) > 1:  # of several files, or beside a window that is
            several = samples if len(parts) > 1 else parts[0].samples
            samples = several.mean(axis=0, dtype=np.float32, keepdims=True)
        if config.channels == "keep" and len(samples) > 1:
            heard = _channels_of(audio, parts)
            samples, cut = samples[np.argsort(heard)], {**cut, "channel": sorted(heard)}
        rate = parts[0].sample_rate
        data, gain = encoded(samples, rate, config.audio_format, max(part.bits for part in parts))
        if gain is not None:
            cut = {**cut, "custom": {**(cut.get("custom") or {}), "gain": gain}}
        channels, count = samples.shape
        name = member_name(audio.id, planned.copy)
        language = self._config.layout.language or language_of(cut)
        sliced = SlicedWindow(cut, name, data, config.audio_format, rate, channels, count, language)
        return MadeWindow(planned, sliced, parts, gain)


def _planned(line_and_copy: tuple[ManifestLine, int]) -> PlannedCut | Reject:
    line, copy = line_and_copy
    try:
        return PlannedCut(line, copy, parse_cut(line))
    except BadEntry as fault:
        return Reject(line, fault)


def _recording_of(planned: PlannedCut | Reject) -> tuple[str, bytes] | None:
    """What tells recordings apart; None where a line is no cut of one."""
    if isinstance(planned, Reject):
        return None
    recording = planned.audio.cut["recording"]
    return str(recording.get("id")), orjson.dumps(recording["sources"])


def _span(audio: CutAudio, file: AudioFile) -> Span:
    """The part of a file that a cut is of."""
    channels = tuple(at for at, channel in enumerate(file.channels) if channel in audio.channels)
    return Span(audio.start, audio.duration, channels)


def _refuse_several_rates(audio: CutAudio, parts: Sequence[Slice]) -> None:
    rates = {part.sample_rate for part in parts}
    if len(rates) > 1:
        paths = " and ".join(visible(shown(file.path)) for file in audio.files)
        what = f"{paths} have other sample rates: {sorted(rates)} Hz; give --sample_rate"
        raise BadEntry(RejectReason.AUDIO_UNREADABLE, what)


def _channels_of(audio: CutAudio, parts: Sequence[Slice]) -> list[int]:
    """The numbers of the channels that the files of a cut turned out to have, in the order of the files."""
    stated = ([channel for channel in file.channels if channel in audio.channels] for file in audio.files)
    return [channel for channels, part in zip(stated, parts) for channel in channels[: len(part.values)]]
