"""Windows with audio of their own, and the folder that formats write them to."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from alm_beam.shards.format import Output, Partition, ShardFormat, ShardWriter, SlicedWindow

RATE = 16_000
NONE = Partition()


def samples_of(number: int, seconds: float, channels: int = 1) -> np.ndarray:
    """16-bit noise, shape [samples, channels], other in each window."""
    noise = np.random.default_rng(number).integers(-3000, 3000, (round(seconds * RATE), channels))
    return noise.astype(np.int16)


def encoded(samples: np.ndarray, ending: str = "flac") -> bytes:
    file = BytesIO()
    kind = {"flac": ("FLAC", "PCM_16"), "wav": ("WAV", "PCM_16"), "opus": ("OGG", "OPUS")}[ending]
    soundfile.write(file, samples, RATE, format=kind[0], subtype=kind[1])
    return file.getvalue()


def window_of(number: int, ending: str = "flac", channels: int = 1, **cut: Any) -> SlicedWindow:
    seconds = 0.5 + number % 3 / 4
    samples = samples_of(number, seconds, channels)
    channel = 0 if channels == 1 else list(range(channels))
    heard = [
        {
            "id": f"s-{number}-b",
            "recording_id": f"rec/{number}",
            "start": 0.25,
            "duration": 0.2,
            "channel": channel,
            "text": "später ",
            "speaker": "bob",
        },
        {
            "id": f"s-{number}-a",
            "recording_id": f"rec/{number}",
            "start": 0.0,
            "duration": 0.3,
            "channel": channel,
            "text": f"number {number}",
            "speaker": "ann",
        },
    ]
    recording = {
        "id": f"rec/{number}",
        "sources": [{"type": "file", "channels": list(range(channels)), "source": f"{number}.mp3"}],
        "sampling_rate": RATE,
        "num_samples": RATE * 100,
        "duration": 100.0,
    }
    fields = {
        "id": f"rec/{number}-1.5",
        "start": 12.5,
        "duration": seconds,
        "channel": channel,
        "supervisions": heard,
        "recording": recording,
        "custom": {"num_speakers": 2, "source": "radio"},
        "type": "MonoCut" if channels == 1 else "MultiCut",
    }
    audio = encoded(samples, ending)
    return SlicedWindow(
        fields | cut, f"rec_{number}-1_5-abc{number}", audio, ending, RATE, channels, len(samples), "en"
    )


class Folder:
    """A folder whose files are in place once they have been closed well."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def opened(self, path: str) -> Iterator[Output]:
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        try:
            with part.open("wb") as file:
                yield file
        except BaseException:
            part.unlink()
            raise
        part.rename(target)

    def read(self, path: str) -> Iterator[bytes]:
        with (self.path / path).open("rb") as file:
            while piece := file.read(37):
                yield piece

    def files(self) -> dict[str, bytes]:
        found = sorted(path for path in self.path.rglob("*") if path.is_file())
        return {str(path.relative_to(self.path)): path.read_bytes() for path in found}


def started(kind: ShardFormat, folder: Folder, number: int = 0, partition: Partition = NONE) -> ShardWriter:
    return kind.writer(number, 3, partition, folder.opened)


def written(kind: ShardFormat, path: Path, shards: list[list[SlicedWindow]], partition: Partition = NONE) -> Folder:
    """The folder of a run, made whole."""
    folder = Folder(path)
    paths = []
    for number, windows in enumerate(shards):
        writer = kind.writer(number, len(shards), partition, folder.opened)
        for window in windows:
            writer.add(window)
        paths.append(writer.finish())
    kind.whole(paths, folder.read, folder.opened)
    return folder
