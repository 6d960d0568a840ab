"""Folders of cuts that have audio, made without the code that makes them for users."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import soundfile
from numpy.typing import NDArray
from xxhash import xxh3_128_hexdigest

from alm_beam.loader import Audio
from alm_beam.storage.index.build import build_index

RATE = 16000


def noise(number: int, samples: int, channels: int = 1) -> NDArray[np.int16]:
    """Other samples for each number: int16 [samples, channels]."""
    return np.random.default_rng(number).integers(-20_000, 20_000, (samples, channels), np.int16)


def as_read(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """As a loader is to give them: float32 [channels, samples]."""
    return (samples.T / 32768).astype(np.float32)


def encoded(samples: NDArray[np.int16], rate: int = RATE, ending: str = "flac") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=ending.upper(), subtype="PCM_16")
    return file.getvalue()


def window_id(number: int) -> str:
    return f"window-{number}"


def sound_of(number: int, channels: int = 1) -> NDArray[np.int16]:
    """The samples of a window of `write_shards`: 0.5 s and more."""
    return noise(number, RATE // 2 + 100 * number, channels)


def write_shards(folder: Path, windows: int = 12, shards: int = 2, channels: int = 1, first: int = 0) -> str:
    """Writes tars of FLAC, cuts that say where in them their audio is, and the index."""
    (folder / "shar").mkdir(parents=True)
    for shard in range(shards):
        lines = []
        file = f"shar/recording.{shard:06}.tar"
        with tarfile.open(folder / file, "w") as tar:
            for number in range(first + shard, first + windows, shards):
                data = encoded(sound_of(number, channels))
                info = tarfile.TarInfo(f"{window_id(number)}.flac")
                info.size = len(data)
                at = tar.offset + 512
                tar.addfile(info, io.BytesIO(data))
                member = {"file": file, "offset": at, "bytes": len(data), "digest": xxh3_128_hexdigest(data)}
                lines.append(json.dumps(shard_cut(number, member, channels)) + "\n")
        (folder / f"cuts-{shard:05}-of-{shards:05}.jsonl").write_text("".join(lines))
    build_index(str(folder))
    return str(folder)


def shard_cut(number: int, member: dict[str, Any], channels: int = 1) -> dict[str, Any]:
    samples = len(sound_of(number, channels))
    recording = {
        "id": window_id(number),
        "sources": [{"type": "file", "channels": [*range(channels)], "source": f"{window_id(number)}.flac"}],
        "sampling_rate": RATE,
        "num_samples": samples,
        "duration": samples / RATE,
    }
    return {
        "id": window_id(number),
        "start": 0.0,
        "duration": samples / RATE,
        "channel": [*range(channels)] if channels > 1 else 0,
        "supervisions": [{"id": f"s{number}", "start": 0.0, "duration": 0.3, "text": "a word", "speaker": "anna"}],
        "recording": recording,
        "custom": {"audio_member": member},
        "type": "MultiCut" if channels > 1 else "MonoCut",
    }


def plain_cut(
    name: str, start: float, duration: float, sources: list[tuple[str, list[int]]], channel: int | list[int] = 0
) -> dict[str, Any]:
    """A cut of a recording whose channels are in these files."""
    recording = {
        "id": name,
        "sources": [{"type": "file", "channels": channels, "source": path} for path, channels in sources],
        "sampling_rate": RATE,
        "num_samples": 10 * RATE,
        "duration": 10.0,
    }
    return {
        "id": name,
        "start": start,
        "duration": duration,
        "channel": channel,
        "supervisions": [],
        "recording": recording,
        "type": "MonoCut" if isinstance(channel, int) else "MultiCut",
    }


def write_plain(folder: Path, *cuts: dict[str, Any]) -> str:
    """Writes cuts and their index."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cuts-00000-of-00001.jsonl").write_text("".join(json.dumps(each) + "\n" for each in cuts))
    build_index(str(folder), overwrite=True)
    return str(folder)


def number_of(window) -> int:
    return int(window["id"].rpartition("-")[2])


def assert_is(audio: Audio, number: int, channels: int = 1) -> None:
    """Whether it is the audio of a window of `write_shards`."""
    assert audio.sample_rate == RATE
    assert audio.samples.dtype == np.float32
    assert audio.samples.flags.c_contiguous
    np.testing.assert_array_equal(audio.samples, as_read(sound_of(number, channels)))


def put(folder: str, name: str) -> str:
    """The folder in memory; its URL."""
    fsspec.filesystem("memory").put(f"{folder}/", f"/{name}", recursive=True)
    return f"memory://{name}"
