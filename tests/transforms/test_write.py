"""What a run leaves, also when a runner tries a step again, or another run begins in the same folder."""

import contextlib
import itertools
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems

from alm_beam.core.losses import LossStats
from alm_beam.runners.filesystem import StorageSetup
from alm_beam.storage import run_folder
from alm_beam.transforms.write import RejectLimitError, ReplacedError, WriteShards, _FinishRun, _ShardSink

STORAGE = StorageSetup({})


def written(shards: WriteShards, *lines: bytes) -> list[str]:
    """Temporary shards of a line each."""
    paths = []
    for line in lines:
        writer = shards._sink.open_writer(shards._folder, uuid.uuid4().hex)
        writer.write(line)
        paths.append(writer.close())
    return sorted(paths)


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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_ShardSink, "finalize_write", lambda *_: pytest.fail("here the first try ends"))
        with pytest.raises(pytest.fail.Exception, match="here"):
            published(shards, paths)
    assert contents(tmp_path).keys() == {shards.begun.rpartition("/")[2]}, "the marker goes, and then the shards"
    names = [f"alm_output-{number:05d}-of-00002.jsonl" for number in range(2)]
    for path, name in list(zip(paths, names))[:moved]:
        Path(path).rename(tmp_path / name)
    again = published(shards, paths)
    assert again == [str(tmp_path / name) for name in names]
    assert published(shards, paths) == again
    finish(tmp_path, begun=[shards.begun])
    files = contents(tmp_path)
    assert {files.pop(name) for name in names} == {b"one\n", b"two\n"}
    assert files.keys() == {"loss_stats.json", "_SUCCESS"}
    assert finish(tmp_path, begun=[shards.begun]), "it may be tried again, too"


class KilledError(Exception):
    """Ends a step where a worker would have died."""


@contextlib.contextmanager
def killed_at(call: int) -> Iterator[None]:
    """The block ends by KilledError before its call of that number to Beam's filesystems, if it makes so many."""
    calls = itertools.count()

    def dying(real):
        def do(*args, **options):
            if next(calls) >= call:
                raise KilledError
            return real(*args, **options)

        return do

    with pytest.MonkeyPatch.context() as patch:
        for name in ("create", "delete", "exists", "match", "open", "rename"):
            patch.setattr(FileSystems, name, dying(getattr(FileSystems, name)))
        with contextlib.suppress(KilledError):
            yield


@pytest.mark.parametrize("num_shards", [0, 5])
def test_a_runner_may_end_at_any_point_and_do_the_step_again_or_the_whole_graph(tmp_path, num_shards):
    """Its graph writes other shards then: fewer, some as large as those before."""
    for call, again, _ in itertools.product(range(28), (False, True), range(3 if num_shards else 1)):
        out = tmp_path / uuid.uuid4().hex
        shards = WriteShards(str(out), "alm_output", STORAGE, num_shards=num_shards)
        paths = written(shards, b"one", b"two", b"six")
        (out / "alm_output-00004-of-00005.jsonl").write_bytes(b"of an earlier run\n")
        (out / "_SUCCESS").touch()
        with killed_at(call):
            published(shards, paths)
            finish(out, begun=[shards.begun])
        if again:
            paths = written(shards, b"six", b"one\ntwo")
        if again or not (out / "_SUCCESS").exists() or paths[0] in map(str, out.glob("*/*")):
            published(shards, paths)
        finish(out, begun=[shards.begun])
        files = contents(out)
        assert files.keys() >= {"loss_stats.json", "_SUCCESS"}
        published_files = {name: content for name, content in files.items() if name.startswith("alm_output")}
        assert len(published_files) == (num_shards or len(paths)), (call, again)
        assert sorted(b"".join(published_files.values()).split()) == [b"one", b"six", b"two"], (call, again)
        assert not [*out.glob("beam-temp-*")], (call, again)


def test_of_two_runs_that_publish_at_the_same_time_one_does_not(tmp_path):
    one, two = (WriteShards(str(tmp_path), "alm_output", STORAGE) for _ in range(2))
    first, second = written(one, b"one"), written(two, b"two")
    published(one, first)
    before = contents(tmp_path)
    with pytest.raises(ReplacedError, match="another run publishes to the same folder"):
        published(two, second)
    assert contents(tmp_path) == before
    finish(tmp_path, begun=[one.begun])
    published(two, second)
    assert not (tmp_path / "_SUCCESS").exists()
    finish(tmp_path, begun=[two.begun])
    assert contents(tmp_path)["alm_output-00000-of-00001.jsonl"] == b"two\n"


def test_a_run_that_another_has_replaced_leaves_its_statistics_alone(tmp_path):
    early, late = (WriteShards(str(tmp_path), "alm_output", STORAGE) for _ in range(2))
    published(early, written(early, b"early"))
    run_folder.clear(str(tmp_path))
    published(late, written(late, b"late"))
    finish(tmp_path, LossStats(recordings=1), begun=[late.begun])
    before = contents(tmp_path)
    finish(tmp_path, LossStats(recordings=2), begun=[early.begun])
    assert contents(tmp_path) == before


def test_a_run_whose_folder_is_cleared_while_it_ends_leaves_no_marker(tmp_path, monkeypatch):
    shards = WriteShards(str(tmp_path), "alm_output", STORAGE)
    published(shards, written(shards, b"one"))
    monkeypatch.setattr(_FinishRun, "_finish", lambda *_: (run_folder.clear(str(tmp_path)), _marked(tmp_path)))
    with pytest.raises(ReplacedError, match="another run has begun"):
        finish(tmp_path, begun=[shards.begun])
    assert contents(tmp_path) == {}


def test_a_marker_that_is_written_while_the_folder_is_cleared_does_not_stay(tmp_path, monkeypatch):
    (tmp_path / "rejects-00000-of-00001.jsonl").touch()
    found = run_folder._of_a_run
    monkeypatch.setattr(run_folder, "_of_a_run", lambda *place: (_marked(tmp_path), found(*place))[1])
    run_folder.clear(str(tmp_path))
    assert contents(tmp_path) == {}


def _marked(folder: Path) -> None:
    (folder / "_SUCCESS").touch()


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
