"""Windows by row: on disk and in a store, each compared with its key; what cannot be read is said to be."""

import json
import os
import pickle
import random
import subprocess
import sys

import fsspec
import numpy as np
import pytest
import xxhash

from alm_beam.loader import Partition, Reader, Source, SourceError, WindowError, WindowLoader
from alm_beam.loader.reader import window_of
from alm_beam.loader.state_format import with_checksum
from alm_beam.storage.byte_ranges import GAP_BYTES, REQUEST_BYTES, joined_ranges
from alm_beam.storage.index.open import open_index
from tests.loader.cuts import cut, write_cuts, write_lines
from tests.loader.uploads import uploaded
from tests.servers.faults import proxy


def test_any_row(cuts):
    reader = Reader(open_index(cuts))
    assert len(reader) == 100
    windows = [reader[row] for row in range(100)]
    assert sorted(window["start"] for window in windows) == list(map(float, range(100)))
    assert [window["duration"] for window in windows] == reader.index.rows["duration"].tolist()
    for row in (-1, 100):
        with pytest.raises(IndexError, match=f"row {row}: there are 100"):
            reader[row]


def test_many_rows_at_a_time(cuts):
    reader = Reader(open_index(cuts))
    rows = np.array([5, 99, 5, 0])
    lines, keys = reader.lines(rows)
    assert [window_of(*each) for each in zip(lines, keys)] == [reader[row] for row in rows.tolist()]


def test_a_pickled_reader_opens_its_shards_again(cuts):
    reader = Reader(open_index(cuts))
    assert reader[3] == pickle.loads(pickle.dumps(reader))[3]


def changed_loader(folder: str, change) -> WindowLoader:
    """A loader of cuts whose only shard is changed after it was opened."""
    loader = WindowLoader(folder, shuffle=False)
    path = f"{folder}/cuts-00000-of-00001.jsonl"
    with open(path, "rb") as file:
        content = file.read()
    with open(path, "wb") as file:
        file.write(change(content))
    return loader


def test_a_line_that_was_changed_is_named_and_not_passed_over(tmp_path):
    folder = write_cuts(tmp_path / "cuts", [cut(number) for number in range(20)])
    loader = changed_loader(folder, lambda content: content.replace(b"word 7", b"word 8"))
    windows, found = iter(loader), []
    with pytest.raises(WindowError) as refused:
        found.extend(windows)
    offset = loader.sources[0].index.rows["offset"][len(found)]
    key = loader.sources[0].index.rows["key"][len(found)].tobytes().hex()
    assert f"{folder}/cuts-00000-of-00001.jsonl: the line at byte {offset}, of " in str(refused.value)
    assert f"(row {len(found)}, key {key}), is not the one that was indexed" in str(refused.value)
    with pytest.raises(WindowError, match=f"row {len(found)},"):
        next(windows)
    assert windows.state_dict()["positions"] == {"0": len(found)}


def test_no_control_character_of_a_folder_reaches_a_terminal(tmp_path):
    folder = write_cuts(tmp_path / "cuts\x1b[2J\nok", [cut(number, "a\x1b[2J") for number in range(20)])
    with pytest.raises(SourceError) as unknown:
        WindowLoader(Source(folder, "b\x1b[2J"))
    loader = changed_loader(folder, lambda content: content.replace(b"word", b"wood"))
    with pytest.raises(WindowError) as changed:
        next(iter(loader))
    for error in (changed, unknown):
        assert r"cuts\x1b[2J\nok" in str(error.value)
        assert str(error.value).isprintable()


def test_a_remote_shard_that_is_gone_is_named(store, cuts):
    url = uploaded(store, cuts)
    loader = WindowLoader(url, storage_options=store.options)
    store.fs.rm_file(f"{url}/cuts-00001-of-00003.jsonl")
    with pytest.raises(FileNotFoundError, match=r"cuts/cuts-00001-of-00003\.jsonl: does not exist"):
        list(loader)


def test_a_remote_line_that_was_wrong_is_fetched_again(cuts):
    there = fsspec.filesystem("memory")
    there.put(f"{cuts}/", "/wrong", recursive=True)
    shards = {path: there.cat_file(path) for path in there.glob("/wrong/cuts-*.jsonl")}
    loader = WindowLoader("memory://wrong")
    for path, content in shards.items():
        there.pipe_file(path, b"x" * len(content))
    windows = iter(loader)
    for _ in range(2):
        with pytest.raises(WindowError, match="is not the one that was indexed"):
            next(windows)
    for path, content in shards.items():
        there.pipe_file(path, content)
    assert list(windows) == list(WindowLoader(cuts))


def test_a_shard_that_was_cut_off_or_is_gone_is_named(tmp_path):
    folder = write_cuts(tmp_path / "cuts", [cut(number) for number in range(20)])
    loader = changed_loader(folder, lambda content: content[:-10])
    with pytest.raises(OSError, match=r"cuts-00000-of-00001.jsonl: has \d+ bytes, \d+ when it was indexed"):
        next(iter(loader))
    os.remove(f"{folder}/cuts-00000-of-00001.jsonl")
    with pytest.raises(FileNotFoundError, match=r"cuts-00000-of-00001\.jsonl: does not exist"):
        next(iter(loader))


def test_a_window_is_what_the_line_says_and_nothing_more(tmp_path):
    line = b'{"duration": 1.5, "text": "\xc3\xa9", "custom": {"a": [1, null]}}'
    [window] = WindowLoader(write_lines(tmp_path / "cuts", [line]))
    assert window == {"duration": 1.5, "text": "é", "custom": {"a": [1, None]}}


def test_from_a_store(store, cuts):
    here, there = WindowLoader(cuts, seed=3), WindowLoader(uploaded(store, cuts), seed=3, storage_options=store.options)
    whole = list(here)
    assert list(there) == whole
    there.load_state_dict(with_checksum({**here.state_dict(), "positions": {"0": 60}}))
    there.set_epoch(0)
    assert list(there) == whole[60:]
    assert there.window((0, 5)) == here.window((0, 5))


BOTH_SIDES = """
import json, os, sys
from alm_beam.loader import Partition, WindowLoader
loader = WindowLoader(sys.argv[1], storage_options=json.loads(sys.argv[2]))
whole = [window["id"] for window in loader]
begun = iter(loader)
next(begun)
readable, writable = os.pipe()
child = os.fork()
if not child:
    loader.partition = Partition(1, 2)
    loader.set_epoch(0)
    os.write(writable, json.dumps([window["id"] for each in (loader, begun) for window in each]).encode())
    os._exit(0)
os.waitpid(child, 0)
os.close(writable)
following = [window["id"] for window in begun]
assert json.loads(os.read(readable, 1 << 16)) == whole[1::2] + following
"""
"""It runs in a process of its own: other tests leave threads of gRPC, with which no process may fork."""


def test_from_a_store_on_both_sides_of_a_fork(store, cuts):
    url = uploaded(store, cuts)
    subprocess.run([sys.executable, "-c", BOTH_SIDES, url, json.dumps(store.options)], check=True)


def test_a_part_of_a_store_is_fetched_and_near_lines_together(s3, tmp_path):
    folder = write_cuts(tmp_path / "cuts", [{**cut(number), "pad": "x" * 40_000} for number in range(100)])
    url = uploaded(s3, folder)
    with proxy(s3.port) as between:
        loader = WindowLoader(url, partition=Partition(0, 20), storage_options=s3.behind(between.port).options)
        opened = len(between.requests)
        assert len(list(loader)) == 5
        fetched = [request for request in between.requests[opened:] if "cuts-00000" in request.path]
    assert 1 <= len(fetched) <= 5


def test_byte_ranges_that_are_near_are_joined():
    gap, most = GAP_BYTES, REQUEST_BYTES
    joined = joined_ranges
    assert joined([0, 0, 0, 1], [0, 10, 20 + gap, 0], [10, 20, 30 + gap, 10]) == [(0, 0, 30 + gap), (1, 0, 10)]
    assert joined([0, 0], [0, 11 + gap], [10, 20 + gap]) == [(0, 0, 10), (0, 11 + gap, 20 + gap)]
    assert joined([0, 0], [0, 10], [10, most + 1]) == [(0, 0, 10), (0, 10, most + 1)]
    assert joined([0, 0], [5, 5], [9, 9]) == [(0, 5, 9)]


def test_joined_ranges_give_each_line_its_own_bytes(store, tmp_path):
    """Long and short lines, in any order, some twice."""
    order = random.Random(1)
    cuts = [{**cut(number), "pad": "x" * order.randrange(60_000)} for number in range(50)]
    url = uploaded(store, write_cuts(tmp_path / "cuts", cuts, shards=2))
    reader = Reader(open_index(url, storage_options=store.options))
    rows = np.array([order.randrange(50) for _ in range(120)])
    lines, keys = reader.lines(rows)
    for row, line, key in zip(rows.tolist(), lines, keys):
        assert window_of(line, key)["duration"] == reader.index.rows["duration"][row]


def test_a_line_that_is_indexed_and_no_json_is_named(cuts):
    reader = Reader(open_index(cuts))
    with pytest.raises(ValueError, match="unexpected"):
        window_of(b"{", xxhash.xxh3_128(b"{").digest())
    assert "row 3, key" in str(reader.error(3, "is no good"))
