"""Audio that tests write, in every format that is read."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 16000


def speech_like(seconds: float, rate: int = RATE, channels: int = 1, seed: int = 0) -> NDArray[np.float32]:
    """Bursts of a low-passed noise with pauses of a quiet one: float32 [samples, channels]."""
    generator = np.random.default_rng(seed)
    count = round(seconds * rate)
    noise = generator.standard_normal((count, channels)).astype(np.float32)
    smooth = (noise + np.roll(noise, 1, 0) + np.roll(noise, 2, 0)) * 0.06
    loud = (np.arange(count) // (rate // 2)) % 3 > 0
    return np.where(loud[:, None], smooth, 1e-3 * noise).astype(np.float32)


class Format(NamedTuple):
    """A format that tests write.

    Attributes:
        ending: of the file.
        name: soundfile's, or of the codec of FFmpeg's.
        subtype: soundfile's; empty: written by PyAV.
        slack: samples that a decoder may give more or less than were written.
        container: FFmpeg's.
    """

    ending: str
    name: str
    subtype: str = ""
    slack: int = 0
    container: str = ""


BY_SOUNDFILE = [
    Format("wav", "WAV", "PCM_16"),
    Format("24.wav", "WAV", "PCM_24"),
    Format("float.wav", "WAV", "FLOAT"),
    Format("rf64.wav", "RF64", "PCM_16"),
    Format("w64", "W64", "PCM_16"),
    Format("flac", "FLAC", "PCM_16"),
    Format("24.flac", "FLAC", "PCM_24"),
    Format("aiff", "AIFF", "PCM_16"),
    Format("au", "AU", "PCM_16"),
    Format("caf", "CAF", "PCM_16"),
    Format("ogg", "OGG", "VORBIS"),
    Format("opus", "OGG", "OPUS"),
    Format("mp3", "MP3", "MPEG_LAYER_III"),
]
BY_AV = [
    Format("m4a", "aac", slack=2048, container="ipod"),
    Format("mp4", "aac", slack=2048, container="mp4"),
    Format("aac", "aac", slack=4096, container="adts"),
    Format("alac.m4a", "alac", container="ipod"),
    Format("mka", "flac", container="matroska"),
    Format("webm", "libopus", slack=960, container="webm"),
    Format("avi", "pcm_s16le", container="avi"),
]
FORMATS = [*BY_SOUNDFILE, *BY_AV]


def written(path: Path, form: Format, samples: NDArray[np.float32], rate: int = RATE) -> Path:
    """Writes the samples, float32 [samples, channels], to the file; its path."""
    write: Callable[[Path, Format, NDArray[np.float32], int], None] = _by_soundfile if form.subtype else _by_av
    write(path, form, samples, rate)
    return path


def _by_soundfile(path: Path, form: Format, samples: NDArray[np.float32], rate: int) -> None:
    with soundfile.SoundFile(path, "w", rate, samples.shape[1], form.subtype, format=form.name) as file:
        for begin in range(0, len(samples), rate):  # libsndfile can die on long Vorbis that comes at once
            file.write(samples[begin : begin + rate])


def _by_av(path: Path, form: Format, samples: NDArray[np.float32], rate: int) -> None:
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(str(path), "w", format=form.container) as file:
        stream = file.add_stream(form.name, rate=rate)
        stream.layout = layout
        resampler = av.AudioResampler(format=stream.codec_context.format or "fltp", layout=layout, rate=rate)
        for begin in range(0, len(samples), 1024):
            part = np.ascontiguousarray(samples[begin : begin + 1024].T)
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            for each in resampler.resample(frame):
                file.mux(stream.encode(each))
        for each in resampler.resample(None):
            file.mux(stream.encode(each))
        file.mux(stream.encode(None))
