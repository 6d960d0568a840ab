"""The training loops of docs/shards.md, where torch and Lhotse are installed: they bring gigabytes."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from alm_beam.loader import WindowLoader
from tests.docs.blocks import REPOSITORY, blocks, environment, run_page
from tests.killed import killed_at_save

PAGE = REPOSITORY / "docs" / "shards.md"
ENVIRONMENT = environment() | {"OMP_NUM_THREADS": "1"}  # threads of torch that wait for each other take minutes
INDEXED = 'in_dir="shards/shar", indexed=True, index_path="shards/shar_index"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page's commands leave: the shards, and its files of Python."""
    pytest.importorskip("torch", reason="torch is not installed: it is gigabytes")
    folder = tmp_path_factory.mktemp("user")
    run_page(PAGE, folder)
    return folder


@pytest.fixture(scope="module")
def ids(folder: Path) -> list[str]:
    return sorted(window["id"] for window in WindowLoader(str(folder / "shards")))


def seen(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The epoch and the windows of each step of a loop, whose losses are numbers."""
    for line in lines:
        epoch, loss, *windows = line.split()
        assert float(loss) > 0
        yield int(epoch), windows


def assert_each_once(lines: list[str], ids: list[str]) -> None:
    counts = Counter((epoch, window) for epoch, windows in seen(lines) for window in windows)
    assert counts == {(epoch, window): 1 for epoch in range(2) for window in ids}


def run(folder: Path, script: str) -> list[str]:
    command = [sys.executable, script]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_loop_of_torch_is_killed_and_goes_on(folder, ids):
    command = killed_at_save("train_torch.py", "checkpoint-0.pt", 4, moment="before")
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == -signal.SIGKILL, done.stderr
    *before, unsaved = done.stdout.splitlines()
    after = run(folder, "train_torch.py")
    assert len(before) == 3
    assert next(seen(after)) == next(seen([unsaved]))
    assert_each_once([*before, *after], ids)
    losses = [float(line.split()[1]) for line in [*before, *after]]
    assert losses[-1] < losses[0]


def test_the_loop_of_lhotse_reads_each_window_once(folder, ids):
    pytest.importorskip("lhotse", reason="lhotse is not installed: it brings torch, gigabytes")
    assert_each_once(run(folder, "train_lhotse.py"), ids)


def test_lhotse_2_reads_by_the_index(folder, ids):
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed: it brings torch, gigabytes")
    script = (folder / "train_lhotse.py").read_text()
    assert script.count('in_dir="shards/shar"') == 1
    (folder / "indexed.py").write_text(script.replace('in_dir="shards/shar"', INDEXED))
    [shown] = [block.text for block in blocks(PAGE) if block.marker == "not run" and "indexed=True" in block.text]
    (folder / "any.py").write_text(shown)
    if int(lhotse.__version__.split(".")[0]) < 2:
        with pytest.raises(AssertionError, match="indexed"):
            run(folder, "any.py")
    else:
        assert run(folder, "any.py")[0].split()[0] == str(len(ids))
        assert_each_once(run(folder, "indexed.py"), ids)
