"""Windows by their tokens: what they are asked for, in that order, from here and from stores, in other processes."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alm_beam.loader import Reader, Source, SourceError, Token, WindowError, WindowLoader, Windows, audio_ahead
from alm_beam.loader.audio import FolderAudio
from tests.loader.cuts import cut, write_cuts
from tests.loader.sounding import RATE, assert_is, number_of, put, window_id, write_shards
from tests.loader.uploads import uploaded

WINDOWS = 12


def tokens_of(loader: WindowLoader) -> list[Token]:
    passing = iter(loader)
    return [passing.token for _ in passing]


def test_windows_come_as_the_loader_gives_them(cuts, more_cuts):
    loader = WindowLoader([cuts, more_cuts], seed=3)
    tokens = tokens_of(loader)
    windows = Windows([cuts, more_cuts], audio=False)
    assert windows.__getitems__(tokens) == [loader.window(token) for token in tokens]
    assert windows[tokens[5]] == windows[tuple(tokens[5])] == loader.window(tokens[5])
    assert len(windows) == len(tokens) == 137


def test_numbers_go_through_the_sources_one_after_the_other(cuts, more_cuts):
    sources = [Source(cuts, label="call"), Source(more_cuts), Source(cuts, label="ami")]
    loader = WindowLoader(sources, shuffle=False)
    windows = Windows(sources, audio=False)
    assert [window["id"] for window in windows] == [window["id"] for window in loader]
    assert len(windows) == 137
    assert windows[np.int64(40)] == windows[40]


@pytest.mark.parametrize("where", ["here", "in memory", "in S3"])
def test_each_window_has_its_audio(shards, s3, where):
    url, options = shards, None
    if where == "in memory":
        url = put(shards, "windows-by-tokens")
    if where == "in S3":
        url, options = uploaded(s3, shards), s3.options
    windows = Windows(url, storage_options=options)
    order = np.random.default_rng(1).permutation(WINDOWS).tolist()
    found = windows.__getitems__([Token(0, row) for row in order])
    for window, row in zip(found, order):
        assert_is(window["audio"], number_of(window))
        assert windows[Token(0, row)]["id"] == window["id"]
    assert_is(windows[Token(0, 3)]["audio"], number_of(windows[Token(0, 3)]))
    assert "audio" not in Windows(url, audio=False, storage_options=options)[Token(0, 3)]


def test_a_window_may_be_asked_for_twice(shards):
    found = Windows(shards).__getitems__([Token(0, 4), Token(0, 4)])
    assert found[0]["id"] == found[1]["id"]
    assert_is(found[1]["audio"], number_of(found[1]))


def test_sources_here_and_in_a_store_mix(shards, tmp_path):
    other = put(write_shards(tmp_path / "others", 5, first=100), "windows-of-others")
    windows = Windows([shards, other])
    found = windows.__getitems__([Token(1, 2), Token(0, 7), Token(1, 0), Token(0, 1)])
    for window in found:
        assert_is(window["audio"], number_of(window))
    assert [number_of(window) >= 100 for window in found] == [True, False, True, False]


def test_no_windows_of_none(shards):
    assert Windows(shards).__getitems__([]) == []


def test_a_batch_of_a_store_takes_few_requests(shards, monkeypatch):
    windows = Windows(put(shards, "windows-of-few-requests"))
    asked = []

    def counted(kind, name):
        original = getattr(kind, name)
        monkeypatch.setattr(kind, name, lambda self, what: asked.append((name, len(what))) or original(self, what))

    counted(Reader, "lines")
    counted(FolderAudio, "fetched")
    windows.__getitems__([Token(0, row) for row in range(WINDOWS)])
    assert asked == [("lines", WINDOWS), ("fetched", WINDOWS)]


def test_of_a_store_no_more_than_the_limit_is_held(shards, monkeypatch):
    windows = Windows(put(shards, "windows-of-bounded-memory"))
    size = max(window["custom"]["audio_member"]["bytes"] for window in windows)
    monkeypatch.setattr(audio_ahead, "HELD_BYTES", 4 * size)
    original, sizes = FolderAudio.fetched, []

    def counted(self, members):
        sizes.append(sum(member.bytes for member in members))
        return original(self, members)

    monkeypatch.setattr(FolderAudio, "fetched", counted)
    found = windows.__getitems__([Token(0, row) for row in range(WINDOWS)])
    for window in found:
        assert_is(window["audio"], number_of(window))
    assert len(sizes) >= WINDOWS / 2 - 1
    assert max(sizes) <= 2 * size


def test_who_stops_leaves_the_rest_unread(shards, monkeypatch):
    windows = Windows(shards)
    read = []
    original = FolderAudio.of
    monkeypatch.setattr(FolderAudio, "of", lambda self, *what: read.append(1) or original(self, *what))
    each = windows.each([Token(0, row) for row in range(WINDOWS)])
    next(each)
    each.close()
    assert len(read) == 1


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (Token(1, 0), IndexError, "source 1: there are 1"),
        (Token(-1, 0), IndexError, "source -1: there are 1"),
        (Token(0, WINDOWS), IndexError, "row 12 of source 0: there are 12"),
        (Token(0, -1), IndexError, "row -1 of source 0: there are 12"),
        (WINDOWS, IndexError, "window 12: there are 12"),
        (-1, IndexError, "window -1: there are 12"),
        ((1, 2, 3), TypeError, r"\(1, 2, 3\) names no window: expected Token\(source, row\)"),
        ("window-3", TypeError, r"'window-3' names no window: expected Token\(source, row\)"),
        (1.5, TypeError, r"1.5 names no window: expected Token\(source, row\)"),
    ],
)
def test_what_names_no_window_is_an_error(shards, asked, error, message):
    windows = Windows(shards, audio=False)
    with pytest.raises(error, match=message):
        windows[asked]
    with pytest.raises(error, match=message):
        windows.__getitems__([Token(0, 0), asked])


def test_sources_that_are_not_there_are_an_error(cuts):
    with pytest.raises(SourceError, match="there is no source"):
        Windows([])
    with pytest.raises(SourceError, match="has no windows of label 'none'"):
        Windows(Source(cuts, label="none"))


def test_a_changed_line_is_an_error(tmp_path):
    folder = write_cuts(tmp_path / "cuts", [cut(number) for number in range(4)])
    windows = Windows(folder, audio=False)
    [path] = Path(folder).glob("cuts-*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"word 2", b"word X"))
    with pytest.raises(WindowError, match=r"cuts-00000-of-00001\.jsonl: the line at byte .* is not the one that was"):
        windows.__getitems__([Token(0, row) for row in range(4)])


@pytest.mark.parametrize("remote", [False, True])
def test_damaged_audio_is_an_error_that_names_file_and_window(tmp_path, remote):
    folder = write_shards(tmp_path / "shards", 4, shards=1)
    [path] = Path(folder).glob("shar/*.tar")
    member = Windows(folder, audio=False)[Token(0, 2)]["custom"]["audio_member"]
    with open(path, "r+b") as file:
        file.seek(member["offset"] + member["bytes"] // 2)
        file.write(b"damage")
    windows = Windows(put(folder, "damaged-windows") if remote else folder)
    name = windows.readers[0][2]["id"]
    with pytest.raises(WindowError, match=rf"recording\.000000\.tar: the audio of window '{name}', .* another digest"):
        windows.__getitems__([Token(0, row) for row in range(4)])


def test_a_line_that_was_fetched_wrong_is_fetched_again(cuts, monkeypatch):
    windows = Windows(cuts, audio=False)
    expected = windows.__getitems__([0, 1, 2])
    original = Reader.lines

    def damaged(self, rows):
        lines, keys = original(self, rows)
        return [lines[0], b"{}", *lines[2:]], keys

    monkeypatch.setattr(Reader, "lines", damaged)
    assert windows.__getitems__([0, 1, 2]) == expected


def test_pickled_windows_are_the_same(shards):
    windows = pickle.loads(pickle.dumps(Windows(shards)))
    for window in windows:
        assert_is(window["audio"], number_of(window))
    assert len(windows) == WINDOWS


READ_ALL = """
import json, sys
from alm_beam.loader import Windows
from tests.loader.sounding import RATE, assert_is, number_of

def read(windows, first, queue):
    found = windows.__getitems__(range(first, 12, 2))
    for window in found:
        assert_is(window["audio"], number_of(window))
    queue.put([window["id"] for window in found])

if __name__ == "__main__":
    import multiprocessing
    context = multiprocessing.get_context(sys.argv[1])
    windows = Windows(sys.argv[2], storage_options=json.loads(sys.argv[3]) or None)
    begun = windows.each(range(12))
    seen = [next(begun)["id"]]
    queue = context.Queue()
    workers = [context.Process(target=read, args=(windows, first, queue)) for first in range(2)]
    for worker in workers:
        worker.start()
    found = queue.get(timeout=120) + queue.get(timeout=120)
    for worker in workers:
        worker.join()
    for window in begun:
        assert_is(window["audio"], number_of(window))
        seen.append(window["id"])
    print(json.dumps([sorted(found), sorted(seen)]))
"""
"""It runs in a process of its own: other tests leave threads of gRPC, with which no process may fork."""


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("where", ["here", "in S3"])
def test_windows_in_other_processes(s3, shards, tmp_path, method, where):
    script = tmp_path / "read_all.py"
    script.write_text(READ_ALL)
    url, options = (shards, {}) if where == "here" else (uploaded(s3, shards), s3.options)
    command = [sys.executable, str(script), method, url, json.dumps(options)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    whole = sorted(map(window_id, range(WINDOWS)))
    assert json.loads(done.stdout) == [whole, whole]


def test_audio_states_its_rate(shards):
    assert Windows(shards)[0]["audio"].sample_rate == RATE
