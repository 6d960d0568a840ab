"""Small manifests for tests of the job."""

import json
from pathlib import Path
from typing import Any

from alm_beam.sample import sample_entries

ENTRIES = list(sample_entries(recordings=4, seed=1))


def lines(entries: list[dict[str, Any]] = ENTRIES) -> bytes:
    return b"".join(json.dumps(entry, ensure_ascii=False).encode() + b"\n" for entry in entries)


def write(path: Path, content: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lines() if content is None else content)
    return path


def output_entries(out: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for shard in out.glob("alm_output-*.jsonl") for line in shard.read_bytes().splitlines()]
    return sorted(found, key=lambda entry: json.dumps(entry, sort_keys=True))


def rejects(out: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for shard in out.glob("rejects-*.jsonl") for line in shard.read_bytes().splitlines()]
    return sorted(found, key=lambda reject: (reject["file"], reject["offset"]))


def stats(out: Path) -> dict[str, Any]:
    return json.loads((out / "loss_stats.json").read_text())
