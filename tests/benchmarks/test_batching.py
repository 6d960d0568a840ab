"""The benchmark of batching: its figures, and a run on a few recordings without the environments of others."""

import math
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks import batching, batching_windows
from benchmarks.batching_figures import figures
from benchmarks.batching_peers import epochs, strategies_of_fairseq2
from benchmarks.peers.environments import PeerError

LENGTHS = np.array([10, 20, 30, 40])


def test_padding_and_waiting_of_one_step() -> None:
    found = figures(LENGTHS, [[[0, 1]], [[2, 3]]])

    assert found.padding == pytest.approx(1 - 100 / (2 * 20 + 2 * 40))
    assert found.waiting == pytest.approx(1 - (40 + 80) / (2 * 80))
    assert (found.least_steps, found.most_steps, found.batches, found.largest) == (1, 1, 2, 80)
    assert (found.left_out, found.repeated, found.moved) == (0, 0, 0.0)


def test_what_comes_after_the_first_rank_has_ended_is_left_out() -> None:
    found = figures(LENGTHS, [[[0], [1]], [[3]]])

    assert (found.least_steps, found.most_steps, found.left_out) == (1, 2, 2)
    assert found.waiting == pytest.approx(1 - (10 + 40) / (2 * 40))


def test_windows_that_come_again_are_counted() -> None:
    assert figures(LENGTHS, [[[0, 1], [2]], [[3], [0]]]).repeated == 1


def test_an_empty_batch_is_a_step_and_no_batch() -> None:
    found = figures(LENGTHS, [[[0, 1, 2], [3]], [[], []]])

    assert (found.least_steps, found.most_steps, found.batches, found.left_out) == (2, 2, 2, 0)
    assert found.waiting == pytest.approx(0.5)


def test_windows_in_reverse_have_moved_by_half_of_all() -> None:
    assert figures(LENGTHS, [[[3], [2], [1], [0]]]).moved == pytest.approx(0.5)


def test_neighbours_of_like_lengths_correlate() -> None:
    assert figures(LENGTHS, [[[0], [1], [2], [3]]]).neighbours == pytest.approx(1)
    assert figures(LENGTHS, [[[0], [3], [0], [3]]]).neighbours == pytest.approx(-1)
    assert math.isnan(figures(LENGTHS, [[[0, 1, 2, 3]]]).neighbours)


@pytest.fixture
def _few_short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching_windows, "SHORT_WINDOWS", 600)


@pytest.mark.usefixtures("_few_short_windows")
def test_the_tables_without_the_environments_of_others(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batching.main([str(archive), f"--fairseq2={tmp_path}/none", f"--lhotse={tmp_path}/none"])

    lines = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| WindowBatches (ours)")]
    assert len(rows) == 5
    assert all(row[6] == "0" and float(row[7]) <= 1 for row in rows)  # nothing left out, within the budget
    assert [line for line in lines if line.startswith("The rows of")] == [
        f"The rows of {name} are left out: there is no {tmp_path}/none; `make bench-peers` makes it."
        for name in ("Lhotse", "fairseq2")
    ]


@pytest.mark.usefixtures("_few_short_windows")
def test_lengths_are_in_the_order_of_the_files(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    *_, short, _ = batching_windows.data_sets(archive, tmp_path / "work")

    cuts = (tmp_path / "work" / "short" / "cuts-00000-of-00001.jsonl").read_text().splitlines()
    seconds = [float(line.split('"duration":')[1].split(",")[0]) for line in cuts]
    assert short.lengths.tolist() == [round(each * 16_000) for each in seconds]
    assert sorted(short.numbers[0].tolist()) == list(range(600))


def test_an_environment_without_fairseq2_is_an_error() -> None:
    lengths = np.full(16, 16_000)
    data = batching_windows.DataSet("made", [], lengths, [], 16_000, 160_000)

    with pytest.raises(PeerError, match=r"batching_fairseq2\.py: exit code 1: .*fairseq2"):
        list(epochs(data, Path(sys.executable), strategies_of_fairseq2()))


def test_what_is_no_archive_of_rttm_is_named(tmp_path: Path) -> None:
    text, empty = tmp_path / "text.tar", tmp_path / "empty.tar"
    text.write_text("no archive")
    with tarfile.open(empty, "w"):
        pass
    for path, said in ((text, "is no tar archive"), (empty, "no file in it ends in .rttm")):
        (tmp_path / path.stem).mkdir()
        with pytest.raises(ValueError, match=rf"{path.name}: {said}"):
            next(batching_windows.data_sets(path, tmp_path / path.stem))
