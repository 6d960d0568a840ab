"""Folders of cuts with an index, made without the code that makes them for users."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from xxhash import xxh3_128_digest, xxh3_128_hexdigest

_FIELDS = "key offset duration length shard label reserved".split()  # noqa: SIM905
ROW = np.dtype(list(zip(_FIELDS, ("V16", "<u8", "<f8", "<u4", "<u4", "<u4", "<u4"))))


def cut(number: int, source: str | None = None) -> dict[str, Any]:
    """A MonoCut as Lhotse writes it, of its own id and duration."""
    custom = {} if source is None else {"source": source}
    supervision = {"id": f"s{number}", "recording_id": "r", "start": 0.0, "duration": 3.0, "text": f"word {number}"}
    return {
        "id": f"window-{number}",
        "start": float(number),
        "duration": 100.0 + number % 20,
        "channel": 0,
        "supervisions": [{**supervision, "speaker": "anna"}],
        "custom": custom,
        "type": "MonoCut",
    }


def write_cuts(folder: Path, cuts: Sequence[dict[str, Any]], shards: int = 1) -> str:
    """Writes a folder of cuts and its index, and gives its path."""
    return write_lines(folder, [json.dumps(each).encode() for each in cuts], shards)


def write_lines(folder: Path, lines: Sequence[bytes], shards: int = 1) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"cuts-{number:05}-of-{shards:05}.jsonl" for number in range(shards)]
    found = []
    for number, name in enumerate(names):
        mine = lines[number::shards]
        (folder / name).write_bytes(b"".join(line + b"\n" for line in mine))
        at = 0
        for line in mine:
            found.append((_label(line), xxh3_128_digest(line), at, len(line), number, _duration(line)))
            at += len(line) + 1
    found.sort()
    labels = sorted({each[0] for each in found})
    rows = np.zeros(len(found), ROW)
    for at, (label, key, offset, length, shard, duration) in enumerate(found):
        rows[at] = (np.void(key), offset, duration, length, shard, labels.index(label), 0)
    (folder / "index").mkdir(exist_ok=True)
    (folder / "index" / "rows.bin").write_bytes(rows.tobytes())
    meta = {
        "version": 2,
        "rows": len(rows),
        "duration": float(rows["duration"].sum()),
        "rows_digest": _digest([rows.tobytes()]),
        "fingerprint": _digest([repr((each[0], each[1], each[5])).encode() for each in found]),
        "labels": [_label_meta(number, label, rows) for number, label in enumerate(labels)],
        "shards": [_shard_meta(folder / name, lines[number::shards]) for number, name in enumerate(names)],
    }
    (folder / "index" / "index.json").write_text(json.dumps(meta))
    return str(folder)


def _label(line: bytes) -> str:
    return (json.loads(line).get("custom") or {}).get("source", "")


def _duration(line: bytes) -> float:
    return json.loads(line)["duration"]


def _digest(pieces: Iterable[bytes]) -> str:
    return xxh3_128_hexdigest(b"".join(pieces))


def _label_meta(number: int, label: str, rows: np.ndarray) -> dict[str, Any]:
    here = np.flatnonzero(rows["label"] == number)
    return {"label": label, "first": int(here[0]), "rows": len(here), "duration": float(rows["duration"][here].sum())}


def _shard_meta(path: Path, lines: Sequence[bytes]) -> dict[str, Any]:
    keys = [xxh3_128_digest(line) for line in lines]
    return {"name": path.name, "size": path.stat().st_size, "rows": len(lines), "digest": _digest(keys)}
