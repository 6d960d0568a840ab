"""Shards of cuts, and ways to spoil them, for the tests of the index."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xxhash

from alm_beam.storage.index.open import Index

LABELS = ["ami", "é", None, "b"]


def line(number: int, text: str = "") -> bytes:
    source = {"source": LABELS[number % 4]} if LABELS[number % 4] else {}
    cut = {"id": f"r-{number}", "start": 0.5, "duration": 100 + number / 7, "channel": 0, "text": text}
    return json.dumps({**cut, "custom": {**source, "n": number}}, ensure_ascii=False, separators=(",", ":")).encode()


LINES = [line(number, "é" * (number % 50)) for number in range(1000)]


def write_shards(folder: Path, lines: list[bytes], shards: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(shards):
        content = b"".join(each + b"\n" for each in lines[shard::shards])
        (folder / f"cuts-{shard:05}-of-{shards:05}.jsonl").write_bytes(content)
    return folder


def read_lines(index: Index, folder: Path) -> list[bytes]:
    """The lines in the order of the index, by what its rows say."""
    contents = [(folder / shard.name).read_bytes() for shard in index.shards]
    return [contents[row["shard"]][row["offset"] : row["offset"] + row["length"]] for row in index.rows]


def shard(folder: Path, number: int = 1) -> Path:
    return sorted(folder.glob("cuts-*.jsonl"))[number]


def rewrite(path: Path, change: Callable[[bytes], bytes], *, keep_time: bool = True) -> None:
    times = path.stat()
    path.write_bytes(change(path.read_bytes()))
    if keep_time:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def swap(folder: Path) -> None:
    first, second = shard(folder, 0), shard(folder, 1)
    first.rename(folder / "x")
    second.rename(first)
    (folder / "x").rename(second)


def signed(fields: dict[str, Any]) -> bytes:
    """An index.json with these fields, and the digest that belongs to them."""
    fields = {name: value for name, value in fields.items() if name != "digest"}
    body = json.dumps(fields, indent=2, ensure_ascii=False).encode().removesuffix(b"\n}")
    return body + b',\n  "digest": "%b"\n}\n' % xxhash.xxh3_128_hexdigest(body).encode()


def change_meta(folder: Path, **changes: Any) -> None:
    """Changes fields of index.json, as one would who also makes its digest anew."""
    path = folder / "index" / "index.json"
    path.write_bytes(signed({**json.loads(path.read_text()), **changes}))


def without_label_sets(folder: Path, **changes: Any) -> None:
    """Makes index.json what it was before indexes of version 3 listed corpora and languages."""
    path = folder / "index" / "index.json"
    fields = {name: value for name, value in json.loads(path.read_text()).items() if name != "label_sets"}
    path.write_bytes(signed({**fields, **changes}))
