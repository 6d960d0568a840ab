"""The index: its order, and what its rows and labels are, however it was made."""

import json
import pickle
import random

import numpy as np
import pytest
import xxhash

from alm_beam.storage.index import build, merge, scan
from alm_beam.storage.index.build import build_index
from alm_beam.storage.index.open import ROW, open_index
from alm_beam.storage.index.verify import verify_index
from tests.storage.cuts import LINES, line, read_lines, write_shards


def test_rows_are_what_the_contract_says(folder):
    index = open_index(str(folder))
    content = (folder / "index" / "rows.bin").read_bytes()
    assert (ROW.itemsize, len(content), len(index)) == (48, 48_000, 1000)
    found = read_lines(index, folder)
    assert sorted(found) == sorted(LINES)
    labels = [label.label for label in index.labels]
    assert labels == ["", "ami", "b", "é"]
    for row, each in zip(index.rows, found):
        cut = json.loads(each)
        assert row["key"].tobytes() == xxhash.xxh3_128(each).digest()
        assert row["duration"] == cut["duration"]
        assert labels[row["label"]] == cut["custom"].get("source", "")
    order = [(labels[row["label"]], row["key"].tobytes()) for row in index.rows]
    assert order == sorted(order)
    assert [(label.first, label.rows) for label in index.labels] == [(0, 250), (250, 250), (500, 250), (750, 250)]
    assert index.duration == pytest.approx(sum(json.loads(each)["duration"] for each in LINES), abs=1e-5)
    for shard in index.shards:
        keys = [xxhash.xxh3_128(each).digest() for each in (folder / shard.name).read_bytes().split()]
        assert shard.digest == xxhash.xxh3_128_hexdigest(b"".join(keys))
    assert not index.rows.flags.writeable
    assert {path.name for path in folder.iterdir()} == {
        "index",
        *(f"{shard.name}{ending}" for shard in index.shards for ending in ("", ".idx")),
    }


@pytest.mark.parametrize("shards", [1, 2, 7, 300])
@pytest.mark.parametrize("run_rows", [1 << 20, 40])
def test_the_order_depends_on_the_windows_alone(folder, tmp_path, monkeypatch, shards, run_rows):
    """With runs of 40 rows, and three of them merged at a time, the merge has several levels."""
    monkeypatch.setattr("alm_beam.storage.index.rows.RUN_ROWS", run_rows)
    monkeypatch.setattr(merge, "RUN_ROWS", run_rows)
    monkeypatch.setattr(merge, "_MOST_RUNS", 3 if run_rows == 40 else 128)
    shuffled = LINES.copy()
    random.Random(shards).shuffle(shuffled)
    other = write_shards(tmp_path / "other", shuffled, shards)
    build_index(str(other))
    first, second = open_index(str(folder)), open_index(str(other))
    assert read_lines(second, other) == read_lines(first, folder)
    assert (second.fingerprint, second.labels, second.duration) == (first.fingerprint, first.labels, first.duration)


@pytest.mark.parametrize("run_rows", [1 << 20, 10])
def test_identical_lines(tmp_path, monkeypatch, run_rows):
    monkeypatch.setattr("alm_beam.storage.index.rows.RUN_ROWS", run_rows)
    monkeypatch.setattr(merge, "RUN_ROWS", run_rows)
    monkeypatch.setattr(merge, "_MOST_RUNS", 4)
    folder = write_shards(tmp_path, LINES[:3] * 50, 4)
    build_index(str(folder))
    index = open_index(str(folder))
    assert sorted(read_lines(index, folder)) == sorted(LINES[:3] * 50)
    places = {(int(row["shard"]), int(row["offset"])) for row in index.rows}
    assert len(places) == 150
    verify_index(index)


def test_lines_longer_than_a_read(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "_READ_BYTES", 7)
    folder = write_shards(tmp_path, LINES[:20], 1)
    build_index(str(folder))
    assert sorted(read_lines(open_index(str(folder)), folder)) == sorted(LINES[:20])


def test_rows_are_sorted_by_label_and_all_of_the_key_and_those_of_one_key_by_their_place():
    keys = [bytes([1] * 8 + [0] * 7 + [last]) for last in (0, 1, 2, 255)] + [bytes([0] * 15 + [9]), bytes([255] * 16)]
    rows = np.zeros(6 * 2 * 4, ROW)
    for at, row in enumerate(rows):
        row["key"], row["label"], row["shard"], row["offset"] = keys[at % 6], at // 6 % 2, at // 12 % 2, at
    expected = sorted((int(row["label"]), row["key"].tobytes(), int(row["shard"]), int(row["offset"])) for row in rows)
    for seed in range(3):
        found = merge.sorted_rows(np.random.default_rng(seed).permutation(rows))
        assert [(r["label"], r["key"].tobytes(), r["shard"], r["offset"]) for r in found] == expected


def test_another_window_changes_the_fingerprint(folder, tmp_path):
    fingerprint = open_index(str(folder)).fingerprint
    for name, lines in (
        ("less", LINES[1:]),
        ("twice", [*LINES, LINES[0]]),
        ("other", [*LINES[1:], line(0, "other text")]),
    ):
        assert build_index(str(write_shards(tmp_path / name, lines, 3))).fingerprint != fingerprint
    one, other = (build_index(str(write_shards(tmp_path / text, [line(0, text)], 1))) for text in ("a", "b"))
    assert one.fingerprint != other.fingerprint


def test_a_step_that_is_done_again_gives_the_same_bytes(folder):
    before = {path.name: path.read_bytes() for path in (folder / "index").iterdir()}
    names, parts = scan.find_shards(str(folder)), str(folder / build.PARTS)
    for name in [*names, names[1]]:
        scan.scan_shard(str(folder), name, parts)
    for _ in range(2):
        build.merge_parts(parts, dict(zip(names, names)), str(folder / "index"))
    assert {path.name: path.read_bytes() for path in (folder / "index").iterdir()} == before
    build.clear_parts(parts)
    build.clear_parts(parts)


@pytest.mark.parametrize("lines", [[], LINES[:1]])
def test_few_windows(tmp_path, lines):
    folder = write_shards(tmp_path, lines, 2)
    build_index(str(folder))
    index = pickle.loads(pickle.dumps(open_index(str(folder))))
    assert read_lines(index, folder) == lines
    verify_index(index)


def test_lines_that_others_write(tmp_path):
    """White space, other orders of fields, no newline at the end, CRLF, what `custom` may be, and escapes."""
    lines = [
        b' {"duration" : 1 } ',
        b'{"custom":{"source":"a"},"duration":2.5}\r',
        b'{"duration":3,"custom":null}',
        b'{"duration":4,"custom":[1]}',
        b'{"duration":5,"custom":{"source":{"a":1}}}',
        b'{"duration":9,"x":{"duration":7},"custom":{"s":{"source":"z"},"\\u0073ource":"\\u0061"},"duration":6}',
    ]
    (tmp_path / "cuts-train.jsonl").write_bytes(b"\n".join(lines))
    (tmp_path / "cuts.jsonl").write_bytes(LINES[0] + b"\n")
    (tmp_path / "other.jsonl").write_bytes(b"no cuts")
    build_index(str(tmp_path))
    index = open_index(str(tmp_path))
    assert sorted(read_lines(index, tmp_path)) == sorted([*lines, LINES[0]])
    assert {(label.label, label.rows) for label in index.labels} == {("", 4), ("a", 2), ("ami", 1)}
    assert sorted(index.rows["duration"]) == [1, 2.5, 3, 4, 5, 6, 100]
