"""Windows with audio, and folders that shards are written to, for the tests of all formats."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from alm_beam.shards.format import OpenOutput, Output, Partition, ShardFormat, SlicedWindow
from alm_beam.shards.names import member_name

RATE = 8000
FORMATS = {"flac": ("FLAC", "PCM_16"), "wav": ("WAV", "PCM_16"), "opus": ("OGG", "OPUS")}


def folder(path: Path) -> OpenOutput:
    """Opens files of a folder, which are in place when they ended well."""

    @contextmanager
    def opened(name: str) -> Iterator[Output]:
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = place.with_name(f".{place.name}.unfinished")
        try:
            with unfinished.open("wb") as file:
                yield file
            unfinished.rename(place)
        finally:
            unfinished.unlink(missing_ok=True)

    return opened


def files(path: Path) -> dict[str, bytes]:
    """What a folder holds, by the paths in it."""
    return {str(each.relative_to(path)): each.read_bytes() for each in sorted(path.rglob("*")) if each.is_file()}


def noise(samples: int, channels: int = 1, seed: int = 0) -> NDArray[np.float32]:
    """Noise that 16 bits hold: float32 [channels, samples]."""
    whole = np.random.default_rng(seed).integers(-20000, 20000, (channels, samples))
    return (whole / 32768).astype(np.float32)


def encoded(audio: NDArray[np.float32], ending: str = "flac", rate: int = RATE) -> bytes:
    """The audio [channels, samples] as a file."""
    name, subtype = FORMATS[ending]
    soundfile.write(file := io.BytesIO(), audio.T, rate, format=name, subtype=subtype)
    return file.getvalue()


def cut_of(cut_id: str, duration: float = 1.0, channel: int | list[int] = 0, **fields: Any) -> dict[str, Any]:
    """A cut of a recording of an hour with four channels, with a supervision on each of its channels."""
    channels = channel if isinstance(channel, list) else [channel]
    recording = {
        "id": "meeting",
        "sources": [{"type": "file", "channels": [0, 1, 2, 3], "source": "meeting.wav"}],
        "sampling_rate": 16000,
        "num_samples": 16000 * 3600,
        "duration": 3600.0,
        "channel_ids": [0, 1, 2, 3],
    }
    supervisions = [
        {
            "id": f"meeting-{each}",
            "recording_id": "meeting",
            "start": 0.25 * duration,
            "duration": 0.5 * duration,
            "channel": each,
            "text": f"on channel {each}",
            "speaker": f"speaker {each}",
            "custom": {"confidence": 0.5, "words": [{"word": "on", "start": 0.1}]},
        }
        for each in channels
    ]
    return {
        "id": cut_id,
        "start": 1234.5,
        "duration": duration,
        "channel": channel,
        "supervisions": supervisions,
        "recording": recording,
        "custom": {"num_speakers": len(channels), "source": "calls", "tags": ["a", {"b": None}]},
        "type": "MultiCut" if isinstance(channel, list) else "MonoCut",
        **fields,
    }


def window_of(
    cut: dict[str, Any],
    audio: NDArray[np.float32] | None = None,
    ending: str = "flac",
    rate: int = RATE,
    copy: int = 0,
) -> SlicedWindow:
    """The window of a cut with its audio [channels, samples]; without one, with noise of its duration."""
    if audio is None:
        audio = noise(int(cut["duration"] * rate + 0.5))
    channels, samples = audio.shape
    name = member_name(cut["id"], copy)
    return SlicedWindow(cut, name, encoded(audio, ending, rate), ending, rate, channels, samples, "en")


def write_shards(
    shard_format: ShardFormat, path: Path, shards: Sequence[Sequence[SlicedWindow]]
) -> tuple[list[list[str]], list[Any]]:
    """Writes shards below a folder: the paths of each, and where the audio of each window is."""
    paths, members = [], []
    for number, windows in enumerate(shards):
        writer = shard_format.writer(number, len(shards), Partition(), folder(path))
        members += [writer.add(window) for window in windows]
        paths.append(writer.finish())
    return paths, members
