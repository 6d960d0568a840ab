"""The loader in processes of their own, without torch: each rank and worker, forked and spawned."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from itertools import product

import pytest

from alm_beam.loader import Partition, WindowLoader, merge_states
from tests.killed import killed_at_save

METHODS = ["spawn", "fork"]


def read(loader, partition, count, results) -> None:
    """What a rank's or worker's process does: reads so many windows, and tells which and how far it is."""
    loader.partition = partition
    windows = iter(loader)
    found = [next(windows)["id"] for _ in range(min(count, len(windows)))]
    results.put((partition.part, found, json.dumps(loader.state_dict()), os.getpid()))


def run(method: str, loader: WindowLoader, topology: tuple[int, int], count: int) -> tuple[list[str], list]:
    context = multiprocessing.get_context(method)
    results = context.SimpleQueue()
    parts = [Partition(rank, topology[0], worker, topology[1]) for rank, worker in product(*map(range, topology))]
    processes = [context.Process(target=read, args=(loader, part, count, results)) for part in parts]
    for process in processes:
        process.start()
    found = sorted(results.get() for _ in processes)
    for process in processes:
        process.join()
    assert len({pid for *_, pid in found}) == len(parts)
    return [each for _, mine, _, _ in found for each in mine], [json.loads(state) for _, _, state, _ in found]


@pytest.mark.parametrize("method", METHODS)
def test_ranks_and_workers_read_everything_once(cuts, method):
    loader = WindowLoader(cuts)
    whole = [window["id"] for window in loader]
    loader.set_epoch(0)
    found, _ = run(method, loader, (2, 2), 1000)
    assert sorted(found) == sorted(whole)


@pytest.mark.parametrize("method", METHODS)
def test_other_processes_go_on(cuts, method):
    whole = [window["id"] for window in WindowLoader(cuts)]
    found, states = run(method, WindowLoader(cuts), (2, 2), 7)
    assert sorted(found) == sorted(whole[:28])
    resumed = WindowLoader(cuts)
    resumed.load_state_dict(merge_states(states))
    found, _ = run(method, resumed, (3, 1), 1000)
    assert sorted(found) == sorted(whole[28:])


def test_a_fork_in_the_middle_of_a_pass_shares_no_position(cuts):
    """Parent and child read on from the same open shards; neither moves the other."""
    whole = [window["id"] for window in WindowLoader(cuts)]
    windows = iter(WindowLoader(cuts))
    first = [next(windows)["id"] for _ in range(3)]
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        os.write(writable, "\n".join(window["id"] for window in windows).encode())
        os._exit(0)
    mine = [window["id"] for window in windows]
    os.waitpid(child, 0)
    assert first + mine == whole
    assert os.read(readable, 1 << 16).decode().split("\n") == mine


def test_killed_before_and_after_states_are_saved_and_gone_on_with(cuts, tmp_path):
    """A training process that saves its state beside what it has done, killed again and again."""
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
        import json, os, sys
        from alm_beam.loader import WindowLoader
        cuts, saved = sys.argv[1:]
        loader = WindowLoader(cuts, seed=2)
        seen = []
        if os.path.exists(saved):
            state, seen = json.load(open(saved))
            loader.load_state_dict(state)
        for epoch in range(loader.epoch, 2):
            loader.set_epoch(epoch)
            for window in loader:
                seen.append(window["id"])
                with open(saved + ".new", "w") as file:
                    json.dump([loader.state_dict(), seen], file)
                os.replace(saved + ".new", saved)
        print("done")
        """)
    )
    saved = tmp_path / "saved"
    for number, moment in ((1, "before"), (1, "after"), (60, "before"), (60, "after"), (70, "before")):
        command = killed_at_save(str(script), str(saved), number, cuts, str(saved), moment=moment)
        done = subprocess.run(command, capture_output=True)
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    done = subprocess.run([sys.executable, str(script), cuts, str(saved)], capture_output=True)
    assert done.stdout == b"done\n", done.stderr.decode()
    whole = WindowLoader(cuts, seed=2)
    expected = [window["id"] for _ in range(2) for window in whole]
    assert json.loads(saved.read_text())[1] == expected
