"""What is measured of an audio file, in one pass over it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alm_beam.audio.bandwidth import BandwidthMeter
from alm_beam.audio.faults import audio_fault
from alm_beam.audio.levels import LevelMeter, Levels
from alm_beam.audio.open import opened_audio
from alm_beam.audio.reader import AudioReader, Block
from alm_beam.core.faults import RejectReason
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions

_BLOCK_VALUES = 1 << 18
"""Samples of all channels that are decoded at a time: 1 MiB."""


@dataclass(frozen=True, slots=True)
class MeasuredAudio:
    """What was measured of an audio file.

    Attributes:
        sample_rate: Hz.
        duration: seconds of the whole file: samples / rate.
        channels: how many.
        bandwidths: Hz, of each span that was asked for, from the mean of all channels; None where there is no audio,
            or only samples of 0.
        levels: of each span that was asked for, over the samples of all channels; None where there is no audio.
    """

    sample_rate: int
    duration: float
    channels: int
    bandwidths: list[int | None]
    levels: list[Levels | None]


def measure_audio(
    url: str,
    options: StorageOptions = NO_OPTIONS,
    *,
    bandwidth_of: Sequence[tuple[float, float]] = (),
    levels_of: Sequence[tuple[float, float]] = (),
) -> MeasuredAudio:
    """What there is to know of an audio file, and of spans of it.

    Without spans, only the header is read, and the end where that says how long the audio is; else the file is decoded
    once, from beginning to end, in bounded memory.

    Args:
        url: a local path, or any URL of fsspec's.
        options: fsspec's, by protocol.
        bandwidth_of: (start, end) in seconds, in any order; they may overlap, and end behind the audio, where they are
            measured as far as there is audio.
        levels_of: likewise.

    Raises:
        BadEntry: the file is missing, may not be read, is empty, is shorter than its header says, is no audio or
            damaged, or of a kind that no installed package reads.
        OSError: its store fails, which says nothing of the file.
        ValueError: a time is not a number.

    >>> import soundfile
    >>> soundfile.write("tone.wav", np.sin(np.arange(32000)), 16000)
    >>> measure_audio("tone.wav", bandwidth_of=[(0.0, 1.5), (2.5, 3.0)])
    MeasuredAudio(sample_rate=16000, duration=2.0, channels=1, bandwidths=[3093, None], levels=[])
    """
    with opened_audio(url, options) as audio:
        bandwidth = BandwidthMeter(audio.sample_rate, bandwidth_of)
        level = LevelMeter(audio.sample_rate, levels_of)
        if not bandwidth_of and not levels_of:
            frames = audio.counted_frames()
        else:
            frames = _measured(audio, bandwidth, level if levels_of else None, url)
        if not frames:
            raise audio_fault(RejectReason.AUDIO_EMPTY, url, "has no samples")
        duration = frames / audio.sample_rate
        return MeasuredAudio(audio.sample_rate, duration, audio.channels, bandwidth.bandwidths(), level.levels())


def _measured(audio: AudioReader, bandwidth: BandwidthMeter, level: LevelMeter | None, url: str) -> int:
    """Shows all samples to the meters; how many there were."""
    frames = 0
    audio.check_whole()
    for block in audio.blocks(max(1, _BLOCK_VALUES // audio.channels)):
        _refuse_what_is_no_number(block, frames, audio.sample_rate, url)
        bandwidth.add(_mean_of_channels(block))
        if level:
            level.add(block)
        frames += len(block)
    return frames


def _mean_of_channels(block: Block) -> NDArray[np.float32]:
    """float32 [samples], as NumPy's mean has it, which takes ten times as long along so short an axis."""
    total: NDArray[np.float32] = block[:, 0].copy()
    for channel in range(1, block.shape[1]):
        total += block[:, channel]
    if block.shape[1] > 1:
        total /= block.shape[1]
    return total


def _refuse_what_is_no_number(block: Block, before: int, rate: int, url: str) -> None:
    if np.isfinite(block.max()) and np.isfinite(block.min()):
        return
    [place, *_] = np.flatnonzero(~np.isfinite(block).all(axis=1))
    what = f"has a sample that is not a number (NaN or infinite) at {(before + int(place)) / rate:.3f} s"
    raise audio_fault(RejectReason.AUDIO_UNREADABLE, url, what)
