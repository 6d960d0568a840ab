"""The training loop of docs/batches.md on two ranks, where torch is installed: it brings gigabytes."""

import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from alm_beam.loader import WindowLoader
from tests.docs.blocks import REPOSITORY, blocks, environment
from tests.killed import killed_at_save
from tests.loader.sounding import write_shards

PAGE = REPOSITORY / "docs" / "batches.md"
RANKS = 2
COMMAND = [sys.executable, "train_batches.py"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's script, and shards beside it."""
    pytest.importorskip("torch", reason="torch is not installed: it is gigabytes")
    [script] = [block for block in blocks(PAGE) if block.argument == "train_batches.py"]
    (tmp_path / "train_batches.py").write_text(script.text)
    write_shards(tmp_path / "shards", 30)
    return tmp_path


def started(folder: Path, command: list[str]) -> list[subprocess.Popen[str]]:
    """The ranks, as torchrun starts them; `command` is that of rank 0."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = environment() | {"OMP_NUM_THREADS": "1", "WORLD_SIZE": str(RANKS), "MASTER_ADDR": "127.0.0.1"}
    return [
        subprocess.Popen(
            COMMAND if rank else command,
            cwd=folder,
            env=common | {"MASTER_PORT": str(port), "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(RANKS)
    ]


def printed(ranks: list[subprocess.Popen[str]]) -> list[list[str]]:
    """The lines of each rank, all of which end well."""
    outputs = [rank.communicate(timeout=600) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * RANKS, [errors for _, errors in outputs]
    return [output.splitlines() for output, _ in outputs]


def steps(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The epoch and the windows of each step."""
    for line in lines:
        epoch, loss, *windows = line.split()
        assert float(loss) >= 0
        yield int(epoch), windows


def killed_after_step(number: int, folder: Path) -> list[tuple[int, list[str]]]:
    """The steps of rank 0, which is killed once it has saved the last of them; then rank 1 is."""
    ranks = started(folder, killed_at_save("train_batches.py", "batches.pt", number))
    output, errors = ranks[0].communicate(timeout=600)
    ranks[1].kill()
    ranks[1].communicate()
    assert ranks[0].returncode == -signal.SIGKILL, errors
    return list(steps(output.splitlines()))


def test_two_ranks_are_in_step_and_go_on_after_a_kill(folder):
    ids = sorted(window["id"] for window in WindowLoader(str(folder / "shards")))
    whole = printed(started(folder, COMMAND))
    assert len(whole[0]) == len(whole[1])
    counts = Counter((epoch, window) for lines in whole for epoch, windows in steps(lines) for window in windows)
    assert counts == {(epoch, window): 1 for epoch in range(2) for window in ids}
    (folder / "batches.pt").unlink()
    first = [list(steps(lines)) for lines in whole]
    assert killed_after_step(2, folder) == first[0][:2]
    after = printed(started(folder, COMMAND))
    assert [list(steps(lines)) for lines in after] == [steps_of_rank[2:] for steps_of_rank in first]
