"""The audio of windows in parquet, where a window is a row, in a folder that a run could have left."""

import json
import pickle
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest

from alm_beam.core.audio_member import AudioMember
from alm_beam.loader import WindowError, WindowLoader, Windows
from alm_beam.loader import audio as audio_of_windows
from alm_beam.loader.audio import FolderAudio
from alm_beam.shards.format import Partition, SlicedWindow
from alm_beam.shards.parquet import Parquet
from alm_beam.storage.index.build import build_index
from tests.loader.sounding import RATE, assert_is, encoded, number_of, put, shard_cut, sound_of, window_id

FILE = "parquet/corpus=a%2Fb/split=train/language=/part-00000.parquet"


def write_parquet(folder: Path, numbers: range = range(12), shift: int = 0) -> str:
    """Cuts whose audio is in a file of parquet."""

    @contextmanager
    def opened(path: str):
        target = folder / path
        target.parent.mkdir(parents=True)
        with target.open("wb") as file:
            yield file

    writer = Parquet().writer(0, 1, Partition("a/b", "train", ""), opened)
    lines = []
    for number in numbers:
        sound = sound_of(number + shift)
        window = SlicedWindow({}, window_id(number), encoded(sound), "flac", RATE, 1, len(sound), "")
        member: AudioMember = writer.add(window)
        lines.append(json.dumps(shard_cut(number, member.to_dict())) + "\n")
    assert writer.finish() == [FILE]
    (folder / "cuts-00000-of-00001.jsonl").write_text("".join(lines))
    build_index(str(folder))
    return str(folder)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> str:
    monkeypatch.setattr("alm_beam.shards.parquet.ROWS_PER_GROUP", 10)
    return write_parquet(tmp_path / "shards")


def assert_all_are_read(url: str) -> None:
    loader = WindowLoader(url, seed=1, audio=True)
    windows = list(loader)
    assert len(windows) == 12
    for window in windows:
        assert_is(window["audio"], number_of(window))
        assert_is(loader.audio(window), number_of(window))


def test_each_window_comes_with_its_audio(folder):
    assert_all_are_read(folder)


def test_from_memory(folder):
    url = put(folder, "parquet-of-audio")
    assert_all_are_read(url)


def test_no_bytes_are_fetched_where_rows_are(folder, monkeypatch):
    url = put(folder, "parquet-of-rows")
    asked: list[str] = []
    kind = type(fsspec.filesystem("memory"))
    cat_ranges = kind.cat_ranges

    def noted(self, paths, *args, **kwargs):
        asked.extend(paths)
        return cat_ranges(self, paths, *args, **kwargs)

    monkeypatch.setattr(kind, "cat_ranges", noted)
    for window in WindowLoader(url, audio=True):
        assert_is(window["audio"], number_of(window))
    assert not [path for path in asked if path.endswith(".parquet")]


def test_a_row_group_is_read_once_for_rows_that_follow(folder, monkeypatch):
    reads = []

    def counted(row, file, name):
        reads.append(row)
        return rows_with(row, file, name)

    rows_with = audio_of_windows.rows_with
    monkeypatch.setattr(audio_of_windows, "rows_with", counted)
    loader = WindowLoader(folder)
    windows = sorted(loader, key=number_of)
    for window in windows:
        assert_is(loader.audio(window), number_of(window))
    assert reads == [0, 10]
    assert_is(pickle.loads(pickle.dumps(loader)).audio(windows[3]), 3)


def test_what_is_held_is_not_taken_for_a_file_that_replaced_it(folder, tmp_path):
    loader = WindowLoader(folder)
    first, second = sorted(loader, key=number_of)[:2]
    assert_is(loader.audio(first), 0)
    other = Path(write_parquet(tmp_path / "other", shift=1))
    Path(folder, FILE).write_bytes((other / FILE).read_bytes())
    moved = dict(second) | {"custom": WindowLoader(str(other)).window((0, 0))["custom"]}
    row = moved["custom"]["audio_member"]["offset"]
    assert_is(loader.audio(moved), row + 1)
    with pytest.raises(WindowError, match="another digest"):
        loader.audio(first)


def test_faults_name_file_row_and_window(folder):
    loader = WindowLoader(folder)
    window = min(loader, key=number_of)
    path = Path(folder, FILE)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(WindowError, match=r"part-00000\.parquet: .* of row 0, cannot be read \(parquet: not a whole"):
        loader.audio(window)
    path.unlink()
    with pytest.raises(WindowError, match="of row 0, is missing"):
        loader.audio(window)


def test_rows_that_another_thread_replaces(folder, monkeypatch):
    """It may begin to read others between two looks at what is held."""
    windows = Windows(folder)
    assert_is(windows[0]["audio"], number_of(windows[0]))
    [audio] = windows.folders
    looks = [audio._rows]
    held = property(lambda _: looks.pop() if looks else None, lambda *_: None)
    monkeypatch.setattr(FolderAudio, "_rows", held, raising=False)
    assert_is(windows[1]["audio"], number_of(windows[1]))
