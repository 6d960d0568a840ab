"""Cuts of about 460 bytes, for the benchmarks of what reads them."""

from pathlib import Path

import orjson

_SHARDS = 4


def write_cuts(folder: Path, rows: int) -> None:
    """Writes so many, in _SHARDS shards."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(_SHARDS):
        with (folder / f"cuts-{shard:05}-of-{_SHARDS:05}.jsonl").open("wb") as file:
            file.writelines(map(_cut, range(shard, rows, _SHARDS)))


def _cut(number: int) -> bytes:
    recording = f"meeting-{number // 50:07}"
    said = {"id": f"{recording}-0", "recording_id": recording, "channel": 0, "text": "good morning", "speaker": "anna"}
    cut = {
        "id": f"{recording}-{number:010}",
        "start": number % 50 * 60.5,
        "duration": 110 + number % 20_000 / 1000,
        "channel": 0,
        "supervisions": [said | {"start": 0.0, "duration": 4.2}],
        "recording": {
            "id": recording,
            "sources": [{"type": "file", "channels": [0], "source": f"/data/{recording}.wav"}],
            "sampling_rate": 16000,
            "num_samples": 57_600_000,
            "duration": 3600.0,
        },
        "custom": {"source": "ami" if number % 2 else "icsi"},
        "type": "MonoCut",
    }
    return orjson.dumps(cut, option=orjson.OPT_APPEND_NEWLINE)
