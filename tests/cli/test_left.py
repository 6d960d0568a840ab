"""What the last line of a command says of its folder, for every way in which a signal can leave it."""

import pytest

from alm_beam.cli.left import IndexLeft, RunLeft, SampleLeft
from alm_beam.storage.connections import NO_OPTIONS
from alm_beam.storage.index.build import build_index
from alm_beam.storage.outputs import MEASURE, WINDOWS
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.staged_run import StagedRun
from tests.storage.cuts import LINES, write_shards


def begun(folder, outputs=WINDOWS, **more) -> StagedRun:
    staged = StagedRun.of(RunFolder(str(folder), outputs), "a", **more)
    staged.begin()
    return staged


def put(path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_a_run_that_has_left_nothing(tmp_path):
    left = RunLeft(begun(tmp_path), False, "no job was started; ")()
    assert left == f"no job was started; {tmp_path} holds nothing of this run; the same command starts again"
    assert [*tmp_path.iterdir()] == []


def test_a_run_that_is_complete(tmp_path):
    staged = begun(tmp_path)
    staged.publish()
    staged.mark_complete()
    assert RunLeft(staged, False, "no job was started; ")() == f"the run in {tmp_path} is complete"
    assert [path.name for path in tmp_path.iterdir()] == ["_SUCCESS"]


def test_a_run_before_it_that_stays(tmp_path):
    put(tmp_path / "_SUCCESS")
    left = RunLeft(begun(tmp_path), True)()
    assert left == f"the earlier run in {tmp_path} stays; the same command starts again"
    assert [path.name for path in tmp_path.iterdir()] == ["_SUCCESS"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_the_next_measurement_goes_on_with(tmp_path, overwrite):
    staged = begun(tmp_path, MEASURE)
    put(tmp_path / MEASURE.kept / "part")
    left = RunLeft(staged, overwrite)()
    if overwrite:
        assert left == f"{tmp_path} holds nothing of this run; the same command starts again"
    else:
        assert left == f"{tmp_path} is not complete; the same command goes on with what is done there"
    assert [path.name for path in tmp_path.iterdir()] == [MEASURE.kept]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_outlives_its_run(tmp_path, overwrite):
    staged = begun(tmp_path, outlives_failure=True)
    left = RunLeft(staged, overwrite)()
    assert ("goes on with what is made there" in left) == staged.holds_anything() == (not overwrite)


def test_an_index(tmp_path):
    folder = write_shards(tmp_path / "cuts", LINES[:4], 2)
    left = IndexLeft(str(folder), NO_OPTIONS, 1)
    put(folder / "beam-temp-index-parts-1" / "part")
    assert left() == f"{folder} has no index; the same command starts again"
    build_index(str(folder))
    put(folder / "beam-temp-index-parts-1" / "part")
    assert left() == f"{folder} has a whole index"
    assert not [*folder.glob("beam-temp-*")]


def test_a_sample(tmp_path):
    put(tmp_path / "m.jsonl.part")
    left = SampleLeft(str(tmp_path / "m.jsonl"))()
    assert left == f"nothing of {tmp_path}/m.jsonl is half written; the same command starts again"
    assert [*tmp_path.iterdir()] == []
