"""Cuts of recordings of noise, runs of the job that writes audio shards, and what is in them."""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from alm_beam.cli.shards import main

RATE = 16000


def noise(path: Path, seconds: float, *, rate: int = RATE, channels: int = 1, seed: int = 0, **more: Any) -> Path:
    """A file of noise that 16 bits hold exactly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (round(seconds * rate), channels)
    soundfile.write(path, np.random.default_rng(seed).integers(-16000, 16000, shape, np.int16), rate, **more)
    return path


def recording(path: Path | str, seconds: float, *, rate: int = RATE, channels: int = 1) -> dict[str, Any]:
    source = {"type": "file", "channels": [*range(channels)], "source": str(path)}
    samples = round(seconds * rate)
    return {
        "id": Path(path).stem,
        "sources": [source],
        "sampling_rate": rate,
        "num_samples": samples,
        "duration": samples / rate,
        "channel_ids": [*range(channels)],
    }


def cut(name: str, of: dict[str, Any], start: float, duration: float, **more: Any) -> dict[str, Any]:
    turn = {"id": f"{name}-0", "recording_id": of["id"], "start": 0.0, "duration": duration, "channel": 0}
    turn |= {"text": f"words of {name}", "speaker": "a"}
    return {
        "id": name,
        "start": start,
        "duration": duration,
        "channel": 0,
        "supervisions": [turn],
        "recording": of,
        "custom": {"source": "calls", "num_speakers": 1},
        "type": "MonoCut",
        **more,
    }


def write(path: Path, cuts: Sequence[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [each if isinstance(each, str) else json.dumps(each) for each in cuts]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def many(folder: Path, recordings: int, windows: int = 4, seconds: float = 1.0) -> Path:
    """Cuts that overlap by half, of so many recordings."""
    cuts = []
    for number in range(recordings):
        path = noise(folder / "audio" / f"r{number:02}.flac", seconds * (windows + 1) / 2, seed=number)
        of = recording(path, seconds * (windows + 1) / 2)
        cuts += [cut(f"r{number:02}-{index}", of, index * seconds / 2, seconds) for index in range(windows)]
    return write(folder / "cuts" / "cuts.jsonl", cuts)


def job(out: Path, *inputs: object, flags: Sequence[str] = ()) -> int:
    return main([*(f"--input={each}" for each in inputs), f"--output={out}", *flags])


def stats(out: Path) -> dict[str, Any]:
    return json.loads((out / "shards_stats.json").read_text())


def rejects(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(out.glob("rejects-*")) for line in path.read_text().splitlines()]


def cuts_in(out: Path) -> list[dict[str, Any]]:
    """Those of the run's own shards of cuts, in the order of the shards."""
    return [json.loads(line) for path in sorted(out.glob("cuts-*.jsonl")) for line in path.read_text().splitlines()]


def shar_audio(out: Path) -> dict[str, tuple[NDArray[np.int16], int]]:
    """The samples of each window, [samples, channels], and their rate, by the id of its cut."""
    found = {}
    for path in sorted((out / "shar").glob("recording.*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if not member.name.endswith(".json"):
                    data = io.BytesIO(tar.extractfile(member).read())
                    found[member.name.rpartition(".")[0]] = soundfile.read(data, dtype="int16", always_2d=True)
    return found


def files_in(out: Path) -> dict[str, bytes]:
    """What a run has left that does not say how it was made: all but statistics, which state what was taken over."""
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if name not in ("shards_stats.json", "README.md")}
