"""index.json: any changed byte of it is found, what it states is bounded, and version 2 is still read."""

import json
import os
import pickle
import random
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import xxhash

from alm_beam.loader import WindowLoader
from alm_beam.storage.index import build, merge, scan
from alm_beam.storage.index import rows as index_rows
from alm_beam.storage.index.build import build_index
from alm_beam.storage.index.meta import decoded_meta, encoded_meta
from alm_beam.storage.index.open import IndexFault, open_index
from alm_beam.storage.index.scan import find_shards
from alm_beam.storage.index.verify import verify_index
from tests.storage.cuts import LINES, change_meta, read_lines, signed, without_label_sets, write_shards

VERSION_2 = Path(__file__).parents[1] / "data" / "index_v2"
"""A folder of cuts whose index was made when version 2 was the newest. One of its windows comes twice."""


@pytest.fixture
def version_2(tmp_path) -> Path:
    folder = Path(shutil.copytree(VERSION_2, tmp_path / "v2"))
    for path in sorted(folder.rglob("*"), key=lambda path: path.parent.name == "index"):
        os.utime(path, (1e9, 1e9))
    return folder


@pytest.fixture
def content(folder) -> bytes:
    return (folder / "index" / "index.json").read_bytes()


def test_index_json_ends_with_the_digest_of_what_is_before(content):
    assert signed(json.loads(content)) == content == encoded_meta(decoded_meta(content, "index.json"))
    assert json.loads(content)["version"] == 3


def flips(content: bytes) -> Iterator[bytes]:
    """Each byte changed in several ways."""
    for at, byte in enumerate(content):
        for other in {byte ^ 1, byte ^ 0x20, byte ^ 0x80, 0, 0x20, 0xFF, ord("0"), ord('"')} - {byte}:
            yield content[:at] + bytes([other]) + content[at + 1 :]


def edits(content: bytes) -> Iterator[bytes]:
    """Bytes put in, left out, swapped; the end cut off; lines and fields twice; other spaces."""
    for at in range(len(content) + 1):
        yield from (content[:at] + more + content[at:] for more in (b" ", b"\n", b"0", b"\0", b"\xff", b"\xef\xbb\xbf"))
    for at in range(len(content)):
        yield content[:at] + content[at + 1 :]
        yield content[:at]
        yield content[at + 1 :]
    for at in range(len(content) - 1):
        yield content[:at] + content[at + 1 : at + 2] + content[at : at + 1] + content[at + 2 :]
    lines = content.splitlines(keepends=True)
    for at in range(len(lines)):
        yield b"".join([*lines[:at], lines[at], *lines[at:]])
        yield b"".join([*lines[:at], *lines[at + 1 :]])
    fields = json.loads(content)
    yield from (json.dumps(fields, indent=indent).encode() for indent in (None, 1, 2))
    yield content.replace(b"\n", b"\r\n")
    yield content.decode().encode("utf-16")
    yield content + content
    yield b"[" * 100_000


@pytest.mark.parametrize("changes", [flips, edits])
def test_any_changed_byte_is_found(content, changes):
    for changed in changes(content):
        if changed != content:
            with pytest.raises(IndexFault, match=r"^/x/index\.json: "):
                decoded_meta(changed, "/x/index.json")


def test_several_changed_bytes_are_found(content):
    draw = random.Random(7)
    for _ in range(5000):
        changed = bytearray(content)
        for _ in range(draw.randint(2, 6)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        if changed != content:
            with pytest.raises(IndexFault):
                decoded_meta(bytes(changed), "index.json")


def test_a_changed_version_does_not_pass_for_an_older_one(content):
    older = content.replace(b'"version": 3', b'"version": 2')
    for changed in (older, older.replace(b'"digest": "', b'"digesu": "')):
        with pytest.raises(IndexFault):
            decoded_meta(changed, "index.json")
    without = {name: value for name, value in json.loads(content).items() if name != "digest"}
    with pytest.raises(IndexFault, match="does not end with its digest"):
        decoded_meta(json.dumps(without).encode(), "index.json")


HASH = "0" * 32
ONE = {
    "version": 3,
    "rows": 1,
    "duration": 1.0,
    "rows_digest": HASH,
    "fingerprint": HASH,
    "labels": [{"label": "a", "first": 0, "rows": 1, "duration": 1.0}],
    "shards": [{"name": "cuts.jsonl", "size": 10, "rows": 1, "digest": HASH}],
    "repeated_windows": 0,
    "skipped": 0,
    "requires": [],
    "label_sets": [{"corpus": "a", "language": "en", "rows": 1, "duration": 1.0}],
}


def with_value(fields: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """The fields with another value at a place."""
    changed = json.loads(json.dumps(fields))
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


PATHS: list[tuple[str | int, ...]] = [
    ("rows",), ("duration",), ("rows_digest",), ("fingerprint",), ("labels",), ("shards",), ("skipped",), ("requires",),
    ("repeated_windows",), ("version",), ("labels", 0, "first"), ("labels", 0, "rows"), ("labels", 0, "duration"),
    ("labels", 0, "label"), ("shards", 0, "name"), ("shards", 0, "size"), ("shards", 0, "rows"),
    ("shards", 0, "digest"), ("label_sets",), ("label_sets", 0, "corpus"), ("label_sets", 0, "language"),
    ("label_sets", 0, "rows"), ("label_sets", 0, "duration"),
]  # fmt: skip
VALUES = [-1, 2**62 + 1, 10**400, 1.5, -0.5, 1e300, True, "x", "", "/etc/passwd", "../x", "0" * 31 + "g", {}, [[]], [1]]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_numbers_and_names_are_bounded(path):
    assert decoded_meta(signed(ONE), "index.json").rows == 1
    version_2 = {name: ONE[name] for name in list(ONE)[:7]} | {"version": 2}
    for value in VALUES:
        if path[-1] in ("label", "corpus", "language") and isinstance(value, str):
            continue
        with pytest.raises(IndexFault, match=r"^index\.json: "):
            decoded_meta(signed(with_value(ONE, path, value)), "index.json")
        if path[0] in version_2:
            with pytest.raises(IndexFault, match=r"^index\.json: "):
                decoded_meta(json.dumps(with_value(version_2, path, value)).encode(), "index.json")
    for text in (b"NaN", b"Infinity", b"1e999", b"null"):
        if path not in (("repeated_windows",), ("label_sets",)) or text != b"null":
            raw = json.dumps(with_value(version_2 if path[0] in version_2 else ONE, path, "@")).encode()
            with pytest.raises(IndexFault, match=r"^index\.json: "):
                decoded_meta(raw.replace(b'"@"', text), "index.json")


@pytest.mark.parametrize(
    "name",
    [
        "..", "../cuts.jsonl", "cuts/../../x.jsonl", "/cuts.jsonl", "cuts/x.jsonl", "cuts\0.jsonl", "s3://b/cuts.jsonl",
        "cuts://x.jsonl", "cuts.jsonl/..", "cuts.jsonl\n", "", ".", "other.jsonl", "cuts.jsonl.gz", "file:///cuts.jsonl",
    ],
)  # fmt: skip
def test_names_that_are_no_shard_are_refused(name):
    for fields in (ONE, {name: ONE[name] for name in list(ONE)[:7]} | {"version": 2}):
        changed = with_value(fields, ("shards", 0, "name"), name)
        content = signed(changed) if fields is ONE else json.dumps(changed).encode()
        with pytest.raises(IndexFault, match=r"the shard '.*is no name of a file"):
            decoded_meta(content, "index.json")


def test_two_shards_of_one_name_and_labels_that_do_not_follow_are_refused():
    label, shard = ONE["labels"][0], ONE["shards"][0]
    label_set, two = ONE["label_sets"][0], {**ONE, "rows": 2, "duration": 2.0, "label_sets": None}
    twice = {**two, "labels": [{**label, "rows": 2, "duration": 2.0}], "shards": [{**shard, "rows": 2}]}
    assert decoded_meta(signed(twice), "index.json").rows == 2
    for changed in (
        {**two, "labels": [{**label, "rows": 2, "duration": 2.0}], "shards": [shard, shard]},
        {**two, "labels": [label, {**label, "first": 1}], "shards": [{**shard, "rows": 2}]},
        {**two, "labels": [label, {**label, "label": "b", "first": 0}], "shards": [{**shard, "rows": 2}]},
        {**two, "labels": [{**label, "label": "b"}, {**label, "first": 1}], "shards": [{**shard, "rows": 2}]},
        {**ONE, "duration": 1.1},
        {**ONE, "repeated_windows": 1},
        {**ONE, "labels": [{**label, "duration": 1.1e9}], "duration": 1.1e9},
        {**ONE, "label_sets": []},
        {**ONE, "label_sets": [{**label_set, "rows": 2}]},
        {**ONE, "label_sets": [{**label_set, "duration": 1.1}]},
        {**ONE, "label_sets": [label_set, {**label_set, "corpus": "b", "rows": 0, "duration": 0.0}]},
        {**twice, "label_sets": [label_set, label_set]},
        {**twice, "label_sets": [label_set, {**label_set, "language": "de"}]},
    ):
        with pytest.raises(IndexFault, match=r"contradict|do not follow"):
            decoded_meta(signed(changed), "index.json")


def test_huge_counts_cost_nothing(folder):
    rows = 2**60
    first, *others = json.loads((folder / "index/index.json").read_text())["shards"]
    shards = [{**first, "rows": rows}, *({**other, "rows": 0} for other in others)]
    labels = [{**ONE["labels"][0], "rows": rows}]
    tracemalloc.start()
    label_sets = [{**ONE["label_sets"][0], "rows": rows}]
    change_meta(folder, rows=rows, labels=labels, shards=shards, label_sets=label_sets, duration=1.0)
    with pytest.raises(IndexFault, match=r"rows\.bin: has 48000 bytes where"):
        open_index(str(folder))
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_unknown_fields_are_ignored_and_what_is_required_is_not(folder):
    meta = json.loads((folder / "index/index.json").read_text())
    more = {"more_labels": [["ami", "en"]], "shards": [{**shard, "etag": "x"} for shard in meta["shards"]]}
    change_meta(folder, **more, labels=[{**label, "language": "en"} for label in meta["labels"]])
    verify_index(open_index(str(folder)))
    change_meta(folder, requires=["more_labels"])
    with pytest.raises(IndexFault, match=r"needs what this alm_beam does not know \(more_labels\); update alm_beam"):
        open_index(str(folder))


def test_the_numbers_of_label_sets_are_ignored_where_none_are_listed(folder):
    """Indexes of version 3 did not list them at first; the order and the fingerprint do not depend on them."""
    before = open_index(str(folder))
    rows = np.array(before.rows)
    rows["label_set"] = np.arange(len(rows))
    (folder / "index/rows.bin").write_bytes(rows.tobytes())
    without_label_sets(folder, rows_digest=xxhash.xxh3_128_hexdigest(rows.tobytes()))
    after = open_index(str(folder))
    assert verify_index(after).total == 0
    assert after.fingerprint == before.fingerprint
    assert [*WindowLoader(str(folder))] != []


ROW_CHANGES: dict[str, Callable[[Any], None]] = {
    "a shard that is none": lambda rows: rows["shard"].__setitem__(17, 3),
    "the largest shard": lambda rows: rows["shard"].__setitem__(17, 2**32 - 1),
    "an offset behind the end": lambda rows: rows["offset"].__setitem__(17, 10**9),
    "an offset that overflows": lambda rows: rows["offset"].__setitem__(17, 2**64 - 1),
    "a length behind the end": lambda rows: rows["length"].__setitem__(17, 2**32 - 1),
    "no number": lambda rows: rows["duration"].__setitem__(17, float("nan")),
    "infinite": lambda rows: rows["duration"].__setitem__(17, float("inf")),
    "negative": lambda rows: rows["duration"].__setitem__(17, -1.0),
    "a label that is none": lambda rows: rows["label"].__setitem__(17, 9),
    "a label set that is none": lambda rows: rows["label_set"].__setitem__(17, 4),
    "a row of another label set": lambda rows: rows["label_set"].__setitem__(17, (rows["label_set"][17] + 1) % 4),
    "a label out of its place": lambda rows: rows["label"].__setitem__(300, 0),
}


@pytest.mark.parametrize("change", ROW_CHANGES)
def test_rows_that_are_of_no_line_are_refused(folder, change):
    """Made by one who also makes the digests anew."""
    rows = np.array(open_index(str(folder)).rows)
    ROW_CHANGES[change](rows)
    (folder / "index/rows.bin").write_bytes(rows.tobytes())
    change_meta(folder, rows_digest=xxhash.xxh3_128_hexdigest(rows.tobytes()))
    what = "its rows are not those of the label sets" if "label set" in change else "a row is of no line of any shard"
    with pytest.raises(IndexFault, match=rf"rows\.bin: {what}"):
        open_index(str(folder), samples=0)


def test_an_index_of_version_2_is_read_and_checked_and_keeps_its_fingerprint(version_2):
    index = open_index(str(version_2))
    assert (index.version, len(index), index.meta.repeated_windows, index.repeated_windows) == (2, 8, None, 1)
    assert [label.label for label in index.labels] == ["", "ami", "é"]
    assert len(read_lines(index, version_2)) == 8
    assert verify_index(pickle.loads(pickle.dumps(index))).total == 0
    before = [window["id"] for window in WindowLoader(str(version_2), seed=3)]
    state = WindowLoader(str(version_2), seed=3).state_dict()
    made = build_index(str(version_2), overwrite=True)
    assert (made.version, made.fingerprint, made.repeated_windows) == (3, index.fingerprint, 1)
    loader = WindowLoader(str(version_2), seed=3)
    loader.load_state_dict(state)
    assert [window["id"] for window in loader] == before


def test_a_changed_index_of_version_2_is_an_index_fault_or_opens(version_2):
    """It has no digest; but nothing else than an IndexFault comes of it, and no name leaves the folder."""
    content = (version_2 / "index/index.json").read_bytes()
    for changed in flips(content):
        try:
            meta = decoded_meta(changed, "index.json")
        except IndexFault:
            continue
        assert all(msgspec.json.decode(msgspec.json.encode(shard.name)) == shard.name for shard in meta.shards)
        assert not any("/" in shard.name for shard in meta.shards)


@pytest.mark.skipif(os.name != "posix", reason="names that are not UTF-8 are those of POSIX")
def test_a_shard_whose_name_is_not_utf_8_is_refused(tmp_path):
    write_shards(tmp_path, LINES[:2], 1)
    (tmp_path / os.fsdecode(b"cuts-\xff.jsonl")).write_bytes(LINES[3])
    with pytest.raises(IndexFault, match=r"cuts-\\udcff\.jsonl: its name is no text that UTF-8 can state; rename it"):
        find_shards(str(tmp_path))


@pytest.mark.parametrize("run_rows", [1 << 20, 10])
def test_windows_that_come_twice_are_counted(tmp_path, monkeypatch, run_rows):
    """In one shard, in several, and over the borders of blocks and runs."""
    for module in (index_rows, merge):
        monkeypatch.setattr(module, "RUN_ROWS", run_rows)
    monkeypatch.setattr(merge, "_MOST_RUNS", 4)
    lines = [*LINES[:100], *LINES[:100], *LINES[50:60], LINES[0], LINES[0]]
    for shards in (1, 3, 7):
        folder = write_shards(tmp_path / str(shards), lines, shards)
        meta = build_index(str(folder))
        assert meta.repeated_windows == open_index(str(folder)).repeated_windows == len(lines) - 100
        change_meta(folder, repeated_windows=len(lines) - 101)
        with pytest.raises(IndexFault, match="is not what the shards give"):
            verify_index(open_index(str(folder)))
    assert build_index(str(write_shards(tmp_path / "once", LINES, 3))).repeated_windows == 0


PARTS_CHANGED: dict[str, Callable[[Path], Any]] = {
    "half": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "no text": lambda path: path.write_bytes(b"\xff" * 99),
    "of another shard": lambda path: path.write_bytes(path.read_bytes().replace(b"00000-of", b"00009-of")),
    "other numbers": lambda path: path.write_bytes(path.read_bytes().replace(b'"rows":500', b'"rows":-50')),
    "more rows": lambda path: path.write_bytes(path.read_bytes().replace(b'"rows":500', b'"rows":50000000000')),
    "fewer labels": lambda path: path.write_bytes(path.read_bytes().replace(b',"ami"', b"")),
    "deep": lambda path: path.write_bytes(b"[" * 100_000),
}


@pytest.mark.parametrize("change", PARTS_CHANGED)
def test_a_changed_part_is_told(tmp_path, change):
    """What is known of a scanned shard, before the index is made of it."""
    folder, parts = write_shards(tmp_path / "cuts", LINES, 2), str(tmp_path / "parts")
    for name in (names := find_shards(str(folder))):
        scan.scan_shard(str(folder), name, parts)
    [first, _] = sorted(Path(parts).glob("*.part"))
    PARTS_CHANGED[change](first)
    with pytest.raises((IndexFault, OSError), match=r"cuts-00000-of-00002\.jsonl\.(part|0)"):
        build.merge_parts(parts, dict(zip(names, names)), str(tmp_path / "index"))
    assert not (tmp_path / "index" / "rows.bin").exists()
