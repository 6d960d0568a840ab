"""Audio files, manifests of them, and runs of the job that measures them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from alm_beam.cli.measure import main

RATE = 16000


def noise(path: Path, seconds: float, *, rate: int = RATE, channels: int = 1, seed: int = 0) -> Path:
    """A file of noise, as wide as its rate allows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * rate), channels))
    soundfile.write(path, samples, rate)
    return path


def segments(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"start": index / 2, "end": index / 2 + 0.4, "speaker": "ab"[index % 2], **more} for index in range(count)]


def manifest(path: Path, *entries: dict[str, Any] | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [each if isinstance(each, str) else json.dumps(each) for each in entries]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def job(out: Path, *inputs: object, flags: Sequence[str] = ()) -> int:
    return main([*(f"--input={each}" for each in inputs), f"--output={out}", *flags])


def lines_in(out: Path) -> list[bytes]:
    return sorted(line for shard in out.glob("manifest-*.jsonl") for line in shard.read_bytes().splitlines())


def entries_in(out: Path) -> list[dict[str, Any]]:
    """In the order of their files' names."""
    return sorted(map(json.loads, lines_in(out)), key=lambda entry: str(entry.get("audio_filepath")))


def stats(out: Path) -> dict[str, Any]:
    return json.loads((out / "measure_stats.json").read_text())


def bandwidths(entry: dict[str, Any], field: str = "segments") -> list[Any]:
    return [(segment.get("metrics") or {}).get("bandwidth") for segment in entry[field]]


def many(folder: Path, count: int, seconds: float = 1.0) -> tuple[Path, Path]:
    """A manifest of so many recordings, and the folder of their audio."""
    entries = []
    for index in range(count):
        noise(folder / "audio" / f"{index:03}.wav", seconds, seed=index)
        entries.append({"audio_filepath": f"{index:03}.wav", "segments": segments(2)})
    return manifest(folder / "in" / "m.jsonl", *entries), folder / "audio"
