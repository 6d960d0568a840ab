"""Audio of windows, encoded for shards, and decoded again. The same samples give the same bytes."""

import io
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alm_beam.audio import ogg
from alm_beam.audio.reader import Samples
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.shards_config import OPUS_RATES

_FORMATS = {"flac": "FLAC", "wav": "WAV", "opus": "OGG"}
_MOST_CHANNELS = {"flac": 8, "wav": 1024, "opus": 255}
_MOST_HERTZ = {"flac": 655_350, "wav": 1 << 31, "opus": 48_000}
_AT_ONCE = {"flac": 1 << 20, "wav": 1 << 20, "opus": 1 << 16}
"""Samples of all channels that are written at a time: libsndfile can die of long writes of Ogg. FLAC takes 4 % longer
in pieces of 1 << 16.
"""

_OPUS_SERIAL = 1


class Encoded(NamedTuple):
    """Encoded audio.

    Attributes:
        data: a whole file.
        gain: the factor by which the samples were scaled, as some were above full scale; None: they were not.
    """

    data: bytes
    gain: float | None


def output_rate(file_rate: int, asked: int, audio_format: str) -> int:
    """The sample rate of the audio in shards, Hz.

    Args:
        file_rate: Hz, of the file.
        asked: Hz; 0: that of the file, with Opus the next that it takes, or else its highest.
        audio_format: flac, wav or opus.

    >>> output_rate(44100, 0, "flac"), output_rate(44100, 0, "opus"), output_rate(44100, 16000, "opus")
    (44100, 48000, 16000)
    """
    if asked or audio_format != "opus":
        return asked or file_rate
    return min((rate for rate in OPUS_RATES if rate >= file_rate), default=OPUS_RATES[-1])


def encoded(samples: Samples, sample_rate: int, audio_format: str, bits: int) -> Encoded:
    """The samples as a file of the format.

    FLAC and WAV hold integers, so that those of a source of as many bits come back bit for bit; others are rounded.
    Samples above full scale are neither clipped nor wrapped: all are scaled by one factor.

    Args:
        samples: [channels, samples]: float32, of which full scale is 1, or int16.
        sample_rate: Hz.
        audio_format: flac, wav or opus.
        bits: of a sample, 16 or 24; no matter with opus.

    Raises:
        BadEntry: the format does not hold so many channels, or that rate.

    >>> data, gain = encoded(np.array([[0.5, -1.0, 2.0]], np.float32), 16000, "flac", 16)
    >>> gain, decoded(data)
    (0.4999847412109375, (array([[ 0.25     , -0.5      ,  0.9999695]], dtype=float32), 16000))
    """
    import soundfile

    _refuse_what_does_not_fit(len(samples), sample_rate, audio_format)
    gain = _gain(samples, audio_format, bits)
    subtype = "OPUS" if audio_format == "opus" else f"PCM_{bits}"
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", sample_rate, len(samples), subtype, format=_FORMATS[audio_format]) as file:
        step = max(1, _AT_ONCE[audio_format] // len(samples))
        for begin in range(0, samples.shape[1], step):
            part = samples[:, begin : begin + step]
            file.write(_floats(part, gain) if audio_format == "opus" else _integers(part, gain, bits))
    data = buffer.getvalue()
    return Encoded(ogg.with_serial(data, _OPUS_SERIAL) if audio_format == "opus" else data, gain)


def decoded(data: bytes) -> tuple[NDArray[np.float32], int]:
    """The samples of a file that `encoded` wrote, float32 [channels, samples], C-contiguous, and their rate, Hz.

    Raises:
        BadEntry: the file is damaged.
    """
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise BadEntry(RejectReason.AUDIO_UNREADABLE, f"audio cannot be decoded: {error.error_string}") from None
    return np.ascontiguousarray(samples.T), rate


def _refuse_what_does_not_fit(channels: int, rate: int, audio_format: str) -> None:
    if channels > _MOST_CHANNELS[audio_format]:
        has, most, flag = f"{channels} channels", _MOST_CHANNELS[audio_format], "--channels mono"
    elif rate > _MOST_HERTZ[audio_format]:
        has, most, flag = f"{rate} Hz", _MOST_HERTZ[audio_format], f"--sample_rate {OPUS_RATES[-1]}"
    else:
        return
    what = f"the window has {has}, and {audio_format} holds {most} at most; use {flag}, or --audio_format wav"
    raise BadEntry(RejectReason.AUDIO_UNREADABLE, what)


def _gain(samples: Samples, audio_format: str, bits: int) -> float | None:
    """The factor by which all samples fit; None: they do."""
    if samples.dtype == np.int16 or not samples.size:
        return None
    highest, lowest = float(samples.max()), float(samples.min())
    if audio_format == "opus":
        peak = max(highest, -lowest)
        return 1 / peak if peak > 1 else None
    full = 2.0 ** (bits - 1)
    if highest * full < full - 0.5 and lowest * full >= -full - 0.5:
        return None
    return min((full - 1) / full / max(highest, 1e-30), 1 / max(-lowest, 1e-30))


def _floats(part: Samples, gain: float | None) -> NDArray[np.float32]:
    """[samples, channels]."""
    floats: NDArray[np.float32] = part.T.astype(np.float32, order="C")
    if part.dtype == np.int16:
        floats *= np.float32(2.0**-15)
    if gain is not None:
        floats *= np.float32(gain)
    return floats


def _integers(part: Samples, gain: float | None, bits: int) -> Any:
    """int16 or int32 [samples, channels], rounded; libsndfile takes 24 bits as the upper ones of 32."""
    if part.dtype == np.int16:
        return np.ascontiguousarray(part.T) if bits == 16 else part.T.astype(np.int32, order="C") << 16
    full = 2.0 ** (bits - 1)
    scaled = part.T * np.float32(full) if gain is None else part.T * (gain * full)
    np.rint(scaled, out=scaled)
    if gain is not None:
        np.minimum(scaled, full - 1, out=scaled)  # the largest one may have been rounded up
    if bits == 16:
        return scaled.astype(np.int16, order="C")
    return scaled.astype(np.int32, order="C") << 8
