"""The index: its order, and every fault of it or of the cuts, found when it is opened."""

import json
import os
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

from alm_beam.cli.main import main
from alm_beam.storage.index import build, merge
from alm_beam.storage.index.build import build_index
from alm_beam.storage.index.open import ROW, Index, IndexFault, open_index
from alm_beam.storage.index.verify import verify_index
from tests.servers.faults import proxy
from tests.servers.stores import Store

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


@pytest.fixture
def folder(tmp_path) -> Path:
    build_index(str(write_shards(tmp_path / "cuts", LINES, 3)))
    return tmp_path / "cuts"


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
    assert {path.name for path in folder.iterdir()} == {"index", *(shard.name for shard in index.shards)}


@pytest.mark.parametrize("shards", [1, 2, 7, 300])
@pytest.mark.parametrize("run_rows", [1 << 20, 40])
def test_the_order_depends_on_the_windows_alone(folder, tmp_path, monkeypatch, shards, run_rows):
    """With runs of 40 rows, and three of them merged at a time, the merge has several levels."""
    monkeypatch.setattr(build, "RUN_ROWS", run_rows)
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
    monkeypatch.setattr(build, "RUN_ROWS", run_rows)
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
    monkeypatch.setattr(build, "_READ_BYTES", 7)
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
    names, parts = build.find_shards(str(folder)), str(folder / build.TEMPORARY)
    for name in [*names, names[1]]:
        build.scan_shard(str(folder), name, parts)
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


GOOD = b"".join(each + b"\n" for each in LINES[:5])


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        (b"", "is blank"),
        (b" \t", "is blank"),
        (b"{", "is not JSON"),
        (b'{"duration":1}}', "is not JSON"),
        (b'{"duration":1}{"duration":1}', "is not JSON"),
        (b'{"duration":1,"x":"\xff"}', "is not JSON"),
        (b"[1]", "is no object"),
        (b'{"id":"x"}', "is no object with a duration"),
        (b'{"duration":"1"}', "is no object with a duration"),
        (b'{"duration":true}', "is no object with a duration"),
        (b'{"duration":-1.0}', "is no object with a duration"),
        (b'{"duration":\n1}', "is not JSON"),
        (b'{"a":{}\n,"duration":1}', "is not JSON"),
    ],
)
def test_what_is_no_cut_is_named(tmp_path, bad, found):
    (tmp_path / "cuts-0.jsonl").write_bytes(GOOD + bad + b"\n" + LINES[9])
    with pytest.raises(IndexFault, match=rf"cuts-0\.jsonl: the line at byte {len(GOOD)} {found}"):
        build_index(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"cuts-0.jsonl"}


def test_what_cannot_be_indexed_is_named(tmp_path):
    with pytest.raises(IndexFault, match=r"holds no cuts\*\.jsonl"):
        build_index(str(tmp_path))
    write_shards(tmp_path, LINES, 1)
    (tmp_path / "cuts-1.jsonl.gz").write_bytes(b"")
    with pytest.raises(IndexFault, match=r"cuts-1\.jsonl\.gz: is compressed"):
        build_index(str(tmp_path))


def shard(folder: Path, number: int = 1) -> Path:
    return sorted(folder.glob("cuts-*"))[number]


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


def change_meta(folder: Path, **changes: Any) -> None:
    meta = json.loads((folder / "index" / "index.json").read_text())
    (folder / "index" / "index.json").write_text(json.dumps({**meta, **changes}))


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no index": (lambda f: shutil.rmtree(f / "index"), r"index\.json: there is no index; make one"),
    "rows.bin empty": (lambda f: (f / "index/rows.bin").write_bytes(b""), r"rows\.bin: has 0 bytes .* it is empty"),
    "rows.bin cut by rows": (
        lambda f: rewrite(f / "index/rows.bin", lambda b: b[: 48 * 5]),
        r"rows\.bin: has 240 bytes .* it is cut off",
    ),
    "rows.bin cut": (lambda f: rewrite(f / "index/rows.bin", lambda b: b[:-1]), r"rows\.bin: .* it is cut off"),
    "rows.bin appended": (lambda f: rewrite(f / "index/rows.bin", lambda b: b + b[:48]), r"rows\.bin: .* was appended"),
    "rows.bin missing": (lambda f: (f / "index/rows.bin").unlink(), r"rows\.bin: is missing"),
    "rows.bin changed": (
        lambda f: rewrite(f / "index/rows.bin", lambda b: b[:24000] + b"x" + b[24001:]),
        r"rows\.bin: its bytes are not those",
    ),
    "index.json empty": (
        lambda f: (f / "index/index.json").write_bytes(b""),
        r"index\.json: is no index\.json, or half",
    ),
    "index.json half": (lambda f: rewrite(f / "index/index.json", lambda b: b[:100]), r"index\.json: .* half of one"),
    "index.json of another version": (
        lambda f: change_meta(f, version=1),
        r"index\.json: is of version 1, this alm_beam reads 2",
    ),
    "index.json without a field": (lambda f: change_meta(f, rows_digest=None), r"index\.json: is no index\.json"),
    "index.json contradicts itself": (lambda f: change_meta(f, rows=999), r"index\.json: .* contradict"),
    "data appended": (
        lambda f: rewrite(shard(f), lambda b: b + LINES[0] + b"\n"),
        r"cuts-00001-of-00003\.jsonl: has \d+ bytes, \d+ when it was indexed: data was appended",
    ),
    "data truncated": (
        lambda f: rewrite(shard(f), lambda b: b[: b[:-200].rfind(b"\n") + 1]),
        r"cuts-00001.* it is cut off",
    ),
    "data empty": (lambda f: rewrite(shard(f), lambda _: b""), r"cuts-00001.* it is empty"),
    "rewritten, same size": (
        lambda f: rewrite(shard(f), lambda b: b.replace(b'"r-', b'"R-')),
        r"cuts-00001.*: the line at byte \d+ is not the one that was indexed",
    ),
    "rewritten, same size, newer": (
        lambda f: rewrite(shard(f), lambda b: b.replace(b'"r-', b'"R-'), keep_time=False),
        r"cuts-00001.*: is newer than the index",
    ),
    "swapped": (swap, r"cuts-00000.*: has \d+ bytes, .* or swapped with cuts-00001-of-00003\.jsonl"),
    "missing": (lambda f: shard(f).unlink(), r"cuts-00001.*: is in the index, but missing"),
    "one more": (lambda f: (f / "cuts-9.jsonl").write_bytes(b""), r"cuts-9\.jsonl: is not in the index"),
    "one more, compressed": (lambda f: (f / "cuts-9.jsonl.gz").write_bytes(b""), r"cuts-9.* and compressed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found_and_named(folder, fault):
    open_index(str(folder))
    plant, message = FAULTS[fault]
    plant(folder)
    with pytest.raises(IndexFault, match=message):
        open_index(str(folder))
    if fault != "one more, compressed":
        build_index(str(folder), overwrite=True)
        open_index(str(folder))


def test_shards_of_one_size_that_were_swapped(tmp_path):
    folder = write_shards(tmp_path, [b'{"id":"r-%03d","duration":1}' % number for number in range(100)], 2)
    build_index(str(folder))
    swap(folder)
    with pytest.raises(
        IndexFault, match=r"cuts-0000\d.*: the line at byte \d+ is not the one that was indexed.*swapped"
    ):
        open_index(str(folder), samples=2)


def test_a_large_index_is_sampled_and_the_whole_check_finds_the_rest(folder, monkeypatch):
    monkeypatch.setattr("alm_beam.storage.index.open.WHOLE_CHECK_BYTES", 1000)
    index = open_index(str(folder))
    verify_index(index)
    at = int(index.rows["offset"][17] + index.rows["length"][17] - 3)
    path = folder / index.shards[int(index.rows["shard"][17])].name
    rewrite(path, lambda b: b[:at] + b"8" + b[at + 1 :])
    overlooked = open_index(str(folder))
    with pytest.raises(IndexFault, match=rf"{path.name}: its lines are not those that were indexed"):
        verify_index(overlooked)


def test_the_whole_check_reads_rows_and_counts(folder, monkeypatch):
    monkeypatch.setattr("alm_beam.storage.index.open.WHOLE_CHECK_BYTES", 1000)
    rewrite(folder / "index/rows.bin", lambda b: b[: 48 * 17 + 24] + b"\1" + b[48 * 17 + 25 :])
    with pytest.raises(IndexFault, match=r"rows\.bin: its bytes are not those that were written"):
        verify_index(open_index(str(folder)))


def test_every_shard_is_sampled(tmp_path):
    folder = write_shards(tmp_path, LINES, 16)
    build_index(str(folder))
    for number in range(16):
        rewrite(shard(folder, number), lambda b: b.replace(b'"r-', b'"R-'))
        with pytest.raises(IndexFault, match=f"cuts-{number:05}"):
            open_index(str(folder))
        rewrite(shard(folder, number), lambda b: b.replace(b'"R-', b'"r-'))
    open_index(str(folder))


def test_an_index_that_was_made_again_is_not_mixed_with_the_old_one(folder):
    pickled = pickle.dumps(open_index(str(folder)))
    assert np.array_equal(pickle.loads(pickled).rows, open_index(str(folder)).rows)
    shard(folder).write_bytes(GOOD)
    build_index(str(folder), overwrite=True)
    with pytest.raises(IndexFault, match="was made again since"):
        pickle.loads(pickled)


def test_the_command(folder, capsys):
    assert main(["index", str(folder)]) == 1
    assert "there is an index; give --overwrite" in capsys.readouterr().err
    assert main(["index", str(folder), "--overwrite"]) == 0
    assert main(["index", str(folder), "--check"]) == 0
    printed = capsys.readouterr().out
    assert "1,000 windows" in printed
    assert f"sound: {folder}, fingerprint {open_index(str(folder)).fingerprint}" in printed
    rewrite(shard(folder), lambda b: b.replace(b"\xc3\xa9\xc3\xa9", b"\xc3\xa9\xc3\xa8", 1))
    assert main(["index", str(folder), "--check"]) == 1
    assert "cuts-00001-of-00003.jsonl: its lines are not those" in capsys.readouterr().err


def test_on_a_store(store: Store, tmp_path, monkeypatch):
    """Opening fetches the index once, and of the cuts only the sampled lines."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    url, lines = store.bucket() + "/cuts", [line(number, "x" * 2000) for number in range(600)]
    for number in range(2):
        content = b"".join(each + b"\n" for each in lines[number::2])
        store.write(f"{url}/cuts-0000{number}-of-00002.jsonl", content)
    build_index_of = ["index", url, store.flag()]
    assert main(build_index_of) == 0
    assert {name for name in store.names(url) if not name.startswith("cuts-")} == {"index/index.json", "index/rows.bin"}
    local = write_shards(tmp_path / "local", lines, 2)
    assert build_index(str(local)).fingerprint == open_index(url, storage_options=store.options).fingerprint
    shutil.rmtree(tmp_path / f"alm_beam_index_{os.getuid()}")
    with proxy(store.port) as between:
        behind = store.behind(between.port).options
        index = open_index(url, samples=4, storage_options=behind)
        first = between.answered
        pickle.loads(pickle.dumps(index))
        open_index(url, samples=4, storage_options=behind)
        second = between.answered - first
    assert index.rows.tobytes() == store.read(f"{url}/index/rows.bin")
    assert 600 * 48 < first < 600 * 48 + 30_000, "of 1.3 MB of cuts, a few lines"
    assert second < 30_000, "the rows are on this machine now"
    store.write(f"{url}/cuts-00000-of-00002.jsonl", lines[0])
    with pytest.raises(IndexFault, match="it is cut off"):
        open_index(url, storage_options=store.options)
