"""What a run leaves, also when a runner tries a step again, or another run begins in the same folder."""

import contextlib
import io
import itertools
import json
import tarfile
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to
from fsspec.implementations.local import LocalFileSystem

from alm_beam.core.config import ConfigError
from alm_beam.core.errors import RejectLimitError
from alm_beam.core.losses import LossStats
from alm_beam.runners.local import LocalRunner
from alm_beam.storage.outputs import CUTS, ENTRIES, REJECTS
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.staged_run import ReplacedError, StagedRun
from alm_beam.transforms.finish import _FinishRun
from alm_beam.transforms.write import LineSink, StageShards, WriteShards, _ShardFile

COUNTS = {ENTRIES: 1, REJECTS: 0, CUTS: 1}


def staged(folder: Path) -> StagedRun:
    """A run that begins in the folder."""
    run_folder = RunFolder(str(folder))
    run = StagedRun.of(run_folder, uuid.uuid4().hex)
    run_folder.prepare()
    return run


def write_shards(run: StagedRun, *lines: bytes, output=ENTRIES) -> list[str]:
    """Staged shards of a line each."""
    names = []
    for line in lines:
        shard = _ShardFile(run, output, lambda name: LineSink())
        shard.write(line)
        shard.close()
        names.append(shard.name)
    return names


def finish(run: StagedRun, entries: list[str], *, stats=None, limit=1.0, rejects=()) -> list[LossStats]:
    step = _FinishRun(run, COUNTS, {"version": "1"}, limit)
    return [*step.process(stats or LossStats(), [], [], entries, [*rejects], [])]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def finished(folder: Path, line: bytes = b"of an earlier run") -> dict[str, bytes]:
    """An earlier run in the folder, with more shards than those that follow; what it left."""
    run = staged(folder)
    finish(run, write_shards(run, line, line, line, line))
    assert (folder / "_SUCCESS").exists()
    return contents(folder)


def test_statistics_shards_and_the_marker(tmp_path):
    run, stats = staged(tmp_path), LossStats(recordings=9, rejected=Counter(not_json=1))
    assert finish(run, write_shards(run, b"one"), stats=stats, limit=0.1) == [stats]
    files = contents(tmp_path)
    assert json.loads(files["loss_stats.json"]) == {**stats.to_dict(), "version": "1"}
    assert files["alm_output-00000-of-00001.jsonl"] == b"one\n"
    assert files["cuts-00000-of-00001.jsonl"] == files["_SUCCESS"] == b""
    assert len(files) == 4, "no file of rejects, and nothing temporary"


def test_an_earlier_run_is_replaced_whole(tmp_path):
    finished(tmp_path)
    (tmp_path / "notes.txt").touch()
    run = staged(tmp_path)
    finish(run, write_shards(run, b"one", b"two"))
    found = contents(tmp_path)
    assert {name for name in found if name.startswith("alm_output")} == {
        "alm_output-00000-of-00002.jsonl", "alm_output-00001-of-00002.jsonl",
    }  # fmt: skip
    assert "notes.txt" in found


def test_no_marker_and_no_loss_where_the_statistics_cannot_be_written(tmp_path, monkeypatch):
    before = finished(tmp_path)
    run = staged(tmp_path)
    names = write_shards(run, b"one")
    monkeypatch.setattr(LocalFileSystem, "pipe_file", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match=r"loss_stats\.json: the disk is full"):
        finish(run, names)
    run.discard()
    assert contents(tmp_path) == before


def test_above_the_reject_limit_all_but_the_marker_is_there(tmp_path):
    stats = LossStats(recordings=8, rejected=Counter(not_json=1, cut_off=1))
    run = staged(tmp_path)
    entries, rejects = write_shards(run, b"one"), write_shards(run, b"bad", output=REJECTS)
    for _ in range(2):
        with pytest.raises(RejectLimitError, match="2 of 10 entries were rejected"):
            finish(run, entries, stats=stats, limit=0.1, rejects=rejects)
    found = {name for name in contents(tmp_path) if not name.startswith("beam-temp-")}
    shards = {f"{name}-00000-of-00001.jsonl" for name in ("alm_output", "cuts", "rejects")}
    assert found == {*shards, "loss_stats.json"}


def test_above_the_reject_limit_an_earlier_run_stays_and_the_rejects_stand_beside_it(tmp_path):
    before = finished(tmp_path)
    stats = LossStats(rejected=Counter(not_json=1))
    run = staged(tmp_path)
    entries, rejects = write_shards(run, b"one"), write_shards(run, b"bad", output=REJECTS)
    for _ in range(2):
        with pytest.raises(RejectLimitError, match=f"See {tmp_path}/failed_run/rejects-"):
            finish(run, entries, stats=stats, limit=0.1, rejects=rejects)
    run.discard()
    found = contents(tmp_path)
    assert found.pop("failed_run/rejects-00000-of-00001.jsonl") == b"bad\n"
    assert json.loads(found.pop("failed_run/loss_stats.json"))["rejected"] == 1
    assert found == before


class KilledError(OSError):
    """Ends a step where a worker would have died."""


@contextlib.contextmanager
def killed_at(call: int) -> Iterator[None]:
    """The block ends by KilledError before its call of that number to the filesystem, if it makes so many."""
    calls = itertools.count()

    def dying(real):
        def do(*args, **options):
            if next(calls) >= call:
                raise KilledError
            return real(*args, **options)

        return do

    with pytest.MonkeyPatch.context() as patch:
        for name in ("pipe_file", "rm_file", "rm", "ls", "info", "cat_file", "mv", "makedirs"):
            patch.setattr(LocalFileSystem, name, dying(getattr(LocalFileSystem, name)))
        with contextlib.suppress(OSError):  # errors of a filesystem are named
            yield


@pytest.mark.parametrize("has_earlier", [False, True])
def test_a_runner_may_end_at_any_point_and_do_the_step_again_or_the_whole_graph(tmp_path, has_earlier):
    """Its graph writes other shards then: fewer, some as large as those before."""
    ended = 0
    for call, again in itertools.product(range(160), (False, True)):
        out = tmp_path / uuid.uuid4().hex
        out.mkdir()
        before = finished(out) if has_earlier else {}
        run = staged(out)
        names = write_shards(run, b"one", b"two", b"six")
        with killed_at(call):
            finish(run, names)
            ended += 1
        after = contents(out)
        if "_SUCCESS" in after:
            is_old = {name: after.get(name) for name in before} == before
            assert is_old or b"".join(sorted(_entries(after))) == b"one\nsix\ntwo\n", (call, again)
        if again:
            names = write_shards(run, b"six", b"one\ntwo")
        if again or not run.was_completed():
            finish(run, names)
        found = contents(out)
        assert found.keys() >= {"loss_stats.json", "_SUCCESS"}
        assert sorted(b"".join(_entries(found)).split()) == [b"one", b"six", b"two"], (call, again)
        assert len(_entries(found)) == len(names), (call, again)
        assert not [*out.glob("beam-temp-*")], (call, again)
    assert 0 < ended < 300, "the calls go from the first to beyond the last"


def _entries(files: dict[str, bytes]) -> list[bytes]:
    return [content for name, content in files.items() if name.startswith("alm_output")]


def test_of_two_runs_that_publish_at_the_same_time_one_does_not(tmp_path):
    one, two = (StagedRun.of(RunFolder(str(tmp_path)), name) for name in ("1", "2"))
    first, second = write_shards(one, b"one"), write_shards(two, b"two")
    (Path(one.url) / "plan.json").touch()  # it publishes
    before = contents(tmp_path)
    with pytest.raises(ReplacedError, match="another run publishes to"):
        finish(two, second)
    assert before.items() <= contents(tmp_path).items()
    finish(one, first)
    finish(two, second)
    assert contents(tmp_path)["alm_output-00000-of-00001.jsonl"] == b"two\n"


@pytest.mark.parametrize("has_earlier", [False, True])
def test_a_run_in_whose_folder_another_began_leaves_what_that_one_wrote(tmp_path, has_earlier):
    if has_earlier:
        finished(tmp_path)
    early = staged(tmp_path)
    names = write_shards(early, b"early")
    late = staged(tmp_path)
    with pytest.raises(ReplacedError, match="another run has begun to write to"):
        finish(early, names)
    early.discard()
    finish(late, write_shards(late, b"late"))
    before = contents(tmp_path)
    assert finish(early, names), "a run that was replaced by a whole one is at its end"
    assert contents(tmp_path) == before
    assert _entries(before) == [b"late\n"]


def test_a_run_whose_folder_is_cleared_while_it_ends_leaves_no_marker(tmp_path, monkeypatch):
    run = staged(tmp_path)
    names, publish = write_shards(run, b"one"), StagedRun.publish

    def interrupted(*args, **options):
        publish(*args, **options)
        RunFolder(str(tmp_path)).prepare()

    monkeypatch.setattr(StagedRun, "publish", interrupted)
    with pytest.raises(ReplacedError, match="another run has begun"):
        finish(run, names)
    assert contents(tmp_path) == {}


def test_shards_go_on_in_another_file_when_they_are_large(tmp_path):
    run = staged(tmp_path)
    lines = [b"%05d" % number for number in range(100)]
    with beam.Pipeline(runner=LocalRunner()) as pipeline:
        pipeline | beam.Create(lines, reshuffle=False) | StageShards(run, ENTRIES, max_shard_bytes=120)
    shards = [path.read_bytes() for path in Path(run.shards_url(ENTRIES)).iterdir()]
    assert len(shards) == 5
    assert sorted(b"".join(shards).split()) == lines


class TarSink:
    """Pairs of a name and bytes, as members of a tar file."""

    def open(self, file) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w")  # noqa: SIM115

    def write(self, element: tuple[str, bytes]) -> None:
        info = tarfile.TarInfo(element[0])
        info.size = len(element[1])
        self._tar.addfile(info, io.BytesIO(element[1]))

    def flush(self) -> None:
        self._tar.close()


@pytest.mark.parametrize("num_shards", [0, 3])
def test_shards_of_another_kind(tmp_path, num_shards):
    members = [(f"{number}.wav", b"x" * number) for number in range(20)]
    (tmp_path / "audio-00000-of-00009.tar").touch()
    with beam.Pipeline(runner=LocalRunner()) as pipeline:
        elements = pipeline | beam.Create(members)
        written = elements | WriteShards(str(tmp_path), "audio", sink=TarSink, suffix=".tar", num_shards=num_shards)
        count = num_shards or 1
        assert_that(written, equal_to([f"{tmp_path}/audio-{at:05d}-of-{count:05d}.tar" for at in range(count)]))
    found = []
    for path in tmp_path.iterdir():
        with tarfile.open(path) as tar:
            found += [(member.name, member.size) for member in tar]
    assert sorted(found) == sorted((name, len(data)) for name, data in members)


@pytest.mark.parametrize(("skip", "names"), [(False, ["x-00000-of-00001.jsonl"]), (True, [])])
def test_where_nothing_is_written_there_is_one_empty_shard_or_none(tmp_path, skip, names):
    with beam.Pipeline(runner=LocalRunner()) as pipeline:
        pipeline | beam.Create([]) | WriteShards(str(tmp_path), "x", skip_if_empty=skip)
    assert sorted(contents(tmp_path)) == names


def test_a_step_that_published_may_be_done_again(tmp_path):
    from alm_beam.transforms.write import _PublishShards

    run = StagedRun.of(RunFolder(str(tmp_path)), "1")
    step, names = _PublishShards(run, ENTRIES, 1), write_shards(run, b"one", b"two")
    paths = [*step.process(b"", names)]
    assert [*step.process(b"", names)] == paths
    assert sorted(contents(tmp_path)) == sorted(Path(path).name for path in paths)


@pytest.mark.parametrize("name", ["x", "y"])
def test_shards_of_an_earlier_run_do_not_pass_for_those_that_could_not_be_published(tmp_path, name):
    """A pipeline that was killed while it published left its plan; its shards would have had names like ours."""
    with beam.Pipeline(runner=LocalRunner()) as pipeline:
        pipeline | beam.Create([b"old"]) | WriteShards(str(tmp_path), "x")
    killed = WriteShards(str(tmp_path), "x")._run
    write_shards(killed, b"of the killed one")
    killed._claim()
    write = WriteShards(str(tmp_path), name)
    with contextlib.ExitStack() as expected:
        if name == "x":
            expected.enter_context(pytest.raises(Exception, match=f"as {killed.url} says; if it was killed, remove"))
        with beam.Pipeline(runner=LocalRunner()) as pipeline:
            pipeline | beam.Create([b"new"]) | write
    found = {path.name: path.read_bytes() for path in tmp_path.glob("*.jsonl")}
    written = {"y-00000-of-00001.jsonl": b"new\n"} if name == "y" else {}
    assert found == {"x-00000-of-00001.jsonl": b"old\n", **written}


@pytest.mark.parametrize("plan", [b"", b'{"outputs": ["cu', b'{"outputs": ["cuts"]}'])
def test_a_plan_that_is_half_written_or_for_one_of_our_outputs_is_another_runs(tmp_path, plan):
    one, two = (StagedRun.of(RunFolder(str(tmp_path)), name) for name in ("1", "2"))
    Path(one.url).mkdir()
    (Path(one.url) / "plan.json").write_bytes(plan)
    with pytest.raises(ReplacedError, match="another run publishes to"):
        finish(two, write_shards(two, b"two"))
    assert not (tmp_path / "_SUCCESS").exists()


@pytest.mark.parametrize(
    ("output", "name", "more", "message"),
    [
        ("memory://out[1]", "x", {}, r"output=memory://out\[1\]: must be a folder without any of"),
        ("memory://user:secret@out/y", "x", {}, "output=memory://out/y: holds a user or a query string"),
        ("memory://out//y", "x", {}, "two of them stand together"),
        ("out", "sub/x", {}, "name=sub/x: must be a part of a file's name"),
        ("out", "x*", {}, "name=x"),
        ("out", "x", {"suffix": ".a/b"}, "suffix=.a/b"),
        ("out", "x", {"num_shards": -1}, "num_shards=-1: must be at least 0"),
    ],
)
def test_what_would_hit_the_files_of_others_is_refused(output, name, more, message):
    with pytest.raises(ConfigError, match=message) as refused:
        WriteShards(output, name, **more)
    assert "secret" not in str(refused.value)


def test_a_relative_folder_is_the_one_where_the_pipeline_was_built(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write = WriteShards("out", "x")
    monkeypatch.chdir("/")
    with beam.Pipeline(runner=LocalRunner()) as pipeline:
        pipeline | beam.Create([b"one"]) | write
    assert contents(tmp_path) == {"out/x-00000-of-00001.jsonl": b"one\n"}


def test_a_sink_that_cannot_begin_leaves_no_open_file(tmp_path):
    opened = []

    class Refusing(LineSink):
        def open(self, file) -> None:
            opened.append(file)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        _ShardFile(staged(tmp_path), ENTRIES, lambda name: Refusing())
    assert opened[0].closed


def test_above_the_reject_limit_a_run_that_ended_meanwhile_stays_too(tmp_path):
    run = StagedRun.of(RunFolder(str(tmp_path)), "late")
    before = finished(tmp_path)
    with pytest.raises(RejectLimitError, match="failed_run"):
        finish(run, write_shards(run, b"one"), stats=LossStats(rejected=Counter(not_json=1)), limit=0.1)
    run.discard()
    assert before.items() <= contents(tmp_path).items()


def test_the_rejects_of_a_failed_run_are_not_those_of_two_tries(tmp_path):
    finished(tmp_path)
    run, stats = staged(tmp_path), LossStats(rejected=Counter(not_json=1))
    for lines in ((b"bad", b"worse"), (b"bad worse",)):
        shards = write_shards(run, *lines, output=REJECTS)
        with pytest.raises(RejectLimitError):
            finish(run, write_shards(run, b"one"), stats=stats, limit=0.1, rejects=shards)
    assert [path.name for path in (tmp_path / "failed_run").glob("rejects-*")] == ["rejects-00000-of-00001.jsonl"]


def test_a_runner_may_end_while_the_temporary_folder_is_removed(tmp_path, monkeypatch):
    run = staged(tmp_path)
    names = write_shards(run, b"one")

    def rmtree(path, *_: object, **__: object) -> None:
        (Path(path) / "plan.json").unlink(missing_ok=True)  # in any order, as the disk has them
        raise KilledError

    monkeypatch.setattr("shutil.rmtree", rmtree)
    left = write_shards(run, b"of a worker that was ended")
    with pytest.raises(OSError, match="KilledError"):
        finish(run, names)
    monkeypatch.undo()
    assert not any(Path(run.shards_url(ENTRIES)).glob(left[0])), "what is not whole any more is the plan alone"
    assert run.was_completed() or finish(run, names)
