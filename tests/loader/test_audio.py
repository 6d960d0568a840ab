"""The audio of windows in shards: sample for sample; what cannot be read is said to be."""

import json
import os
import time
from pathlib import Path

import fsspec
import pytest
from xxhash import xxh3_128_hexdigest

from alm_beam.loader import Partition, Source, WindowError, WindowLoader, audio_ahead, merge_states
from tests.loader.sounding import assert_is, number_of, put, shard_cut, window_id, write_plain, write_shards
from tests.loader.uploads import uploaded
from tests.servers.faults import proxy

WINDOWS = 12


# From shards


def test_each_window_comes_with_its_audio(shards):
    windows = list(WindowLoader(shards, audio=True))
    assert len(windows) == WINDOWS
    for window in windows:
        assert_is(window["audio"], number_of(window))


def test_the_audio_of_a_window_is_read_where_it_is_asked_for(shards):
    loader = WindowLoader(shards)
    for window in loader:
        assert "audio" not in window
        assert_is(loader.audio(window), number_of(window))
    assert_is(loader.audio(loader.window((0, 7))), number_of(loader.window((0, 7))))
    assert "audio" not in WindowLoader(shards, audio=True).window((0, 7))


def test_each_channel_is_a_row(tmp_path):
    for window in WindowLoader(write_shards(tmp_path / "shards", 3, channels=2), audio=True):
        assert_is(window["audio"], number_of(window), 2)


def test_from_memory(shards):
    url = put(shards, "shards-of-audio")
    loader = WindowLoader(url)
    assert [number_of(window) for window in loader] == [number_of(window) for window in WindowLoader(shards)]
    for window in WindowLoader(url, audio=True):
        assert_is(window["audio"], number_of(window))
        assert_is(loader.audio(window), number_of(window))


def test_no_file_stays_open(shards):
    loader = WindowLoader(shards, audio=True)
    counts = {len(os.listdir("/proc/self/fd")) for _ in loader}
    assert len(counts) == 1


def test_sources_are_told_apart(shards, tmp_path):
    """Windows of two folders whose files have the same names."""
    other = write_shards(tmp_path / "others", 5, first=100)
    loader = WindowLoader([Source(shards), Source(other)])
    windows, kept = iter(loader), []
    for window in windows:
        assert_is(loader.audio(window), number_of(window))
        kept.append((window, windows.token))
    for window, token in kept:
        assert_is(loader.audio(window, source=token.source), number_of(window))
    with pytest.raises(ValueError, match=r"several sources.*audio\(window, source=token\.source\)"):
        loader.audio(kept[0][0])
    for window in WindowLoader([shards, other], audio=True):
        assert_is(window["audio"], number_of(window))


def test_one_source_by_its_labels_is_one_folder(shards):
    loader = WindowLoader([Source(shards, ""), Source(shards)])
    assert_is(loader.audio(loader.window((1, 3))), number_of(loader.window((1, 3))))


# State


def test_a_state_does_not_know_of_audio(shards):
    plain, sounding = WindowLoader(shards, seed=3), WindowLoader(shards, seed=3, audio=True)
    order = [window["id"] for window in plain]
    for one, other in ((sounding, plain), (plain, sounding)):
        one.set_epoch(0)
        windows = iter(one)
        for _ in range(5):
            next(windows)
        other.load_state_dict(json.loads(json.dumps(one.state_dict())))
        rest = list(other)
        assert [window["id"] for window in rest] == order[5:]
    for window in rest:
        assert_is(window["audio"], number_of(window))


def test_other_ranks_go_on_with_audio(shards):
    states, seen = [], []
    for rank, count in ((0, 2), (1, 3)):
        loader = WindowLoader(shards, partition=Partition(rank, 2), audio=True)
        windows = iter(loader)
        seen += [next(windows)["id"] for _ in range(count)]
        states.append(loader.state_dict())
    for rank in range(3):
        loader = WindowLoader(shards, partition=Partition(rank, 3), audio=True)
        loader.load_state_dict(merge_states(states))
        for window in loader:
            assert_is(window["audio"], number_of(window))
            seen.append(window["id"])
    assert sorted(seen) == sorted(map(window_id, range(WINDOWS)))


# Faults


FAULTS = {
    "another digest": (
        lambda file: file.write_bytes(bytes(1 - (b > 0) for b in file.read_bytes())),
        "is not what was written there",
    ),
    "missing": (lambda file: file.unlink(), "is missing: there is no such file"),
    "cut off": (lambda file: os.truncate(file, 700), "is not all there: the file is cut off, and has 700 bytes"),
    "cut off before": (lambda file: os.truncate(file, 100), "is not all there: the file is cut off, and has 100 bytes"),
    "empty": (lambda file: os.truncate(file, 0), "is not all there: the file is cut off, and has 0 bytes"),
}


@pytest.mark.parametrize("where", ["here", "in memory", "in S3"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_a_shard_is_named(tmp_path, fault, where, request):
    folder = write_shards(tmp_path / "shards", 1, 1)
    url, options = folder, None
    damage, what = FAULTS[fault]
    damage(Path(folder, "shar/recording.000000.tar"))
    if where == "in memory":
        url = put(folder, f"damaged-{fault}".replace(" ", "-"))
    elif where == "in S3":
        s3 = request.getfixturevalue("s3")
        url, options = uploaded(s3, folder), s3.options
    loader = WindowLoader(url, storage_options=options)
    windows = iter(WindowLoader(url, audio=True, storage_options=options))
    [window] = loader
    size = window["custom"]["audio_member"]["bytes"]
    for read in (lambda: loader.audio(window), lambda: next(windows), lambda: next(windows)):
        with pytest.raises(WindowError) as refused:
            read()
        message = str(refused.value)
        assert message.startswith(
            f"{url}/shar/recording.000000.tar: the audio of window 'window-0', {size} bytes from "
        )
        assert f"from byte 512 on, {what}" in message
        assert message.endswith("; fetch the folder again, or make the shards again: alm-beam shards --overwrite")
    assert windows.state_dict()["positions"] == {"0": 0}


def test_audio_that_was_wrong_is_read_again(shards):
    there = fsspec.filesystem("memory")
    url = put(shards, "wrong-for-now")
    files = {path: there.cat_file(path) for path in there.glob("/wrong-for-now/shar/*")}
    for path, content in files.items():
        there.pipe_file(path, b"x" * len(content))
    windows = iter(WindowLoader(url, audio=True))
    for _ in range(2):
        with pytest.raises(WindowError, match="has another digest"):
            next(windows)
    for path, content in files.items():
        there.pipe_file(path, content)
    found = list(windows)
    assert [window["id"] for window in found] == [window["id"] for window in WindowLoader(shards)]
    for window in found:
        assert_is(window["audio"], number_of(window))


def member_of(data: bytes, **other) -> dict:
    return {"file": "shar/a.tar", "offset": 0, "bytes": len(data), "digest": xxh3_128_hexdigest(data), **other}


@pytest.mark.parametrize(
    ("member", "what"),
    [
        (member_of(b"no audio"), r"shar/a\.tar: the audio of window 'window-0', 8 bytes .*, cannot be decoded \("),
        (
            member_of(b"no audio", file="../a.tar"),
            r"^window 'window-0': custom\.audio_member: .* names no bytes",
        ),
        (member_of(b"no audio", offset=-1), r"^window 'window-0': custom\.audio_member: .* names no bytes"),
        (member_of(b"no audio", bytes=10**18), r"cut off, and has 8 bytes"),
        (member_of(b"no audio", digest=""), r"has another digest"),
        ([1], r"^window 'window-0': custom\.audio_member: expected an object"),
    ],
)
def test_a_member_that_is_none_is_named(tmp_path, member, what):
    (tmp_path / "cuts" / "shar").mkdir(parents=True)
    (tmp_path / "cuts" / "shar" / "a.tar").write_bytes(b"no audio")
    folder = write_plain(tmp_path / "cuts", shard_cut(0, member))
    for url in (folder, put(folder, f"no-member-{abs(hash(what))}")):
        with pytest.raises(WindowError, match=what):
            next(iter(WindowLoader(url, audio=True)))


def test_a_store_that_fails_is_no_fault_of_the_window(s3, shards):
    url = uploaded(s3, shards)
    with proxy(s3.port) as between:
        loader = WindowLoader(url, audio=True, storage_options=s3.behind(between.port).options)
        windows = iter(loader)
        between.fault = lambda request: "status:403:AccessDenied" if "recording" in request.path else None
        with pytest.raises(PermissionError, match=r"shar/recording\.00000\d\.tar: access is denied"):
            next(windows)
        between.fault = lambda _: None
        for window in windows:
            assert_is(window["audio"], number_of(window))


# Remote


def members_in(requests) -> int:
    return sum(request.names("recording.") for request in requests)


def test_one_request_a_window(s3, shards):
    url = uploaded(s3, shards)
    with proxy(s3.port) as between:
        options = s3.behind(between.port).options
        loader = WindowLoader(url, storage_options=options)
        windows = list(loader)
        assert members_in(between.requests) == 0
        for count, window in enumerate(windows, 1):
            assert_is(loader.audio(window), number_of(window))
            assert members_in(between.requests) == count
        sizes = sum(window["custom"]["audio_member"]["bytes"] for window in windows)
        before = len(between.requests), between.answered
        for window in WindowLoader(url, audio=True, storage_options=options):
            assert_is(window["audio"], number_of(window))
        assert members_in(between.requests[before[0] :]) <= WINDOWS
        assert between.answered - before[1] < sizes + 100_000


def test_audio_is_fetched_ahead(s3, tmp_path):
    url = uploaded(s3, write_shards(tmp_path / "shards", 40, 3))
    with proxy(s3.port) as between:
        windows = iter(WindowLoader(url, audio=True, storage_options=s3.behind(between.port).options))
        next(windows)
        time.sleep(1)
        batches = members_in(between.requests)
        assert 4 < batches <= 4 + 16, "the batch of the window and the one after it"
        assert len(list(windows)) == 39
        assert batches < members_in(between.requests) <= 40, "windows that are near one another share a request"


@pytest.mark.parametrize("held", [1, 100_000])
def test_what_is_fetched_ahead_is_bounded(s3, tmp_path, monkeypatch, held):
    monkeypatch.setattr(audio_ahead, "HELD_BYTES", held)
    folder = write_shards(tmp_path / "shards", 30, 1)
    size = os.path.getsize(f"{folder}/shar/recording.000000.tar") // 30
    url = uploaded(s3, folder)
    with proxy(s3.port) as between:
        windows = iter(WindowLoader(url, audio=True, storage_options=s3.behind(between.port).options))
        for count, window in enumerate(windows, 1):
            assert_is(window["audio"], number_of(window))
            time.sleep(0.05)
            assert members_in(between.requests) <= count + max(2, held // size + 2)
        assert count == 30
        assert members_in(between.requests) <= 30
