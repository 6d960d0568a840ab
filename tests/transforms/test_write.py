"""What a run leaves, also when a runner tries a step again, or another run begins in the same folder."""

import json
from collections import Counter
from pathlib import Path

import pytest

from alm_beam.core.losses import LossStats
from alm_beam.runners.filesystem import StorageSetup
from alm_beam.storage import run_folder
from alm_beam.transforms.write import RejectLimitError, ReplacedError, WriteShards, _FinishRun

STORAGE = StorageSetup({})


def written(shards: WriteShards, *lines: bytes) -> list[str]:
    """Temporary shards of a line each."""
    paths = []
    for number, line in enumerate(lines):
        writer = shards._sink.open_writer(shards._folder, str(number))
        writer.write(line)
        paths.append(writer.close())
    return paths


def published(shards: WriteShards, paths: list[str]) -> list[str]:
    return [*shards._publish.process(b"", paths)]


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def finish(folder, stats=None, begun=(), limit=1):
    return [*_FinishRun(str(folder), STORAGE, {"version": "1"}, limit, [*begun]).process(stats or LossStats())]


def test_statistics_then_the_marker(tmp_path):
    stats = LossStats(recordings=9, rejected=Counter(not_json=1))
    assert finish(tmp_path, stats, limit=0.1) == [stats]
    assert json.loads((tmp_path / "loss_stats.json").read_text()) == {**stats.to_dict(), "version": "1"}
    assert (tmp_path / "_SUCCESS").exists()


def test_no_marker_where_the_statistics_cannot_be_written(tmp_path):
    (tmp_path / "loss_stats.json").mkdir()
    with pytest.raises(OSError, match="loss_stats"):
        finish(tmp_path)
    assert not (tmp_path / "_SUCCESS").exists()


def test_statistics_but_no_marker_above_the_reject_limit(tmp_path):
    stats = LossStats(recordings=8, rejected=Counter(not_json=1, cut_off=1))
    with pytest.raises(RejectLimitError, match="2 of 10 entries were rejected"):
        finish(tmp_path, stats, limit=0.1)
    assert (tmp_path / "loss_stats.json").exists()
    assert not (tmp_path / "_SUCCESS").exists()


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_shards_are_published_by_a_second_try_wherever_the_first_one_ended(tmp_path, moved):
    shards = WriteShards(str(tmp_path), "alm_output", STORAGE)
    paths = written(shards, b"one", b"two")
    (tmp_path / "alm_output-00004-of-00005.jsonl").write_bytes(b"of an earlier run\n")
    (tmp_path / "_SUCCESS").touch()
    shards._publish._begin(paths)
    assert contents(tmp_path) == {shards.begun.rpartition("/")[2]: b""}, "the marker goes, and then the shards"
    names = [f"alm_output-{number:05d}-of-00002.jsonl" for number in range(2)]
    for path, name in list(zip(paths, names))[:moved]:
        Path(path).rename(tmp_path / name)
    again = published(shards, paths)
    assert again == [str(tmp_path / name) for name in names]
    assert published(shards, paths) == again
    finish(tmp_path, begun=[shards.begun])
    files = contents(tmp_path)
    assert (files.pop(names[0]), files.pop(names[1])) == (b"one\n", b"two\n")
    assert files.keys() == {"loss_stats.json", "_SUCCESS"}
    assert finish(tmp_path, begun=[shards.begun]), "it may be tried again, too"


def test_where_nothing_is_written_there_is_one_empty_shard_or_none(tmp_path):
    empty = WriteShards(str(tmp_path), "alm_output", STORAGE)
    for _ in range(2):
        assert published(empty, []) == [str(tmp_path / "alm_output-00000-of-00001.jsonl")]
    assert published(WriteShards(str(tmp_path), "rejects", STORAGE, skip_if_empty=True), []) == []
    assert {name for name in contents(tmp_path) if "begun" not in name} == {"alm_output-00000-of-00001.jsonl"}


def test_a_run_in_whose_folder_another_began_leaves_what_that_one_wrote(tmp_path):
    """Before it published its shards, and between that and its end."""
    early, late, other = (WriteShards(str(tmp_path), "alm_output", STORAGE) for _ in range(3))
    paths = written(early, b"early")
    published(late, written(late, b"late"))
    run_folder.clear(str(tmp_path))
    published(other, written(other, b"of the other run"))
    before = contents(tmp_path)
    with pytest.raises(ReplacedError, match="another run has begun to write to the same folder"):
        published(early, paths)
    with pytest.raises(ReplacedError, match="another run has begun"):
        finish(tmp_path, begun=[late.begun])
    assert contents(tmp_path) == before
