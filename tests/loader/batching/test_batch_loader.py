"""Batches that threads read: in order, no more than asked for, and not after the loop has ended."""

import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from alm_beam.loader import (
    Batch,
    BatchLoader,
    Partition,
    Source,
    SourceError,
    StateError,
    WindowBatches,
    WindowError,
    Windows,
    collate,
    merge_states,
)
from tests.loader.cuts import cut, write_cuts
from tests.loader.sounding import as_read, number_of, put, sound_of, window_id, write_shards

WINDOWS = 12
NAME = "alm_beam-batch"
PREFETCH = [0, 1, 4]


def loader_of(sources, num_prefetch=4, batch_size=5, partition=None, **options):
    batches = WindowBatches(sources, batch_size=batch_size, buckets=2, seed=1, partition=partition)
    return BatchLoader(batches, Windows(sources, audio=False), num_prefetch=num_prefetch, collate=list, **options)


def ids(batches) -> list[list[str]]:
    return [[window["id"] for window in batch] for batch in batches]


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def ended(seconds: float = 30) -> bool:
    """Whether the threads have ended, after a while at most."""
    until = time.monotonic() + seconds
    while threads() and time.monotonic() < until:
        time.sleep(0.01)
    return not threads()


class Slow(Windows):
    """Windows each of which takes a moment; and how many were read."""

    def __init__(self, *arguments, seconds=0.01, **options):
        super().__init__(*arguments, **options)
        self.seconds, self.read = seconds, 0

    def each(self, asked):
        for window in super().each(asked):
            time.sleep(self.seconds)
            self.read += 1
            yield window


def slow_loader(sources, num_prefetch, seconds=0.01, **options):
    batches = WindowBatches(sources, batch_size=5, buckets=2, seed=1)
    windows = Slow(sources, audio=False, seconds=seconds)
    return BatchLoader(batches, windows, num_prefetch=num_prefetch, collate=list, **options)


# What comes


@pytest.mark.parametrize("num_prefetch", PREFETCH)
def test_batches_come_in_their_order(cuts, num_prefetch):
    expected = WindowBatches(cuts, batch_size=5, buckets=2, seed=1)
    windows = Windows(cuts, audio=False)
    loader = loader_of(cuts, num_prefetch)
    assert len(loader) == len(expected)
    for _ in range(2):
        assert loader.epoch == expected.epoch
        assert list(loader) == [windows.__getitems__(tokens) for tokens in expected]
    assert ended()


@pytest.mark.parametrize("num_prefetch", PREFETCH)
@pytest.mark.parametrize("remote", [False, True])
def test_batches_with_audio(shards, num_prefetch, remote):
    url = put(shards, "batches-with-audio") if remote else shards
    loader = BatchLoader(WindowBatches(url, batch_size=4, seed=2), Windows(url), num_prefetch=num_prefetch)
    seen = []
    for batch in loader:
        assert type(batch) is Batch
        for row, length, window in zip(batch.audio, batch.lengths, batch.windows):
            np.testing.assert_array_equal(row[:length], as_read(sound_of(number_of(window)))[0])
            seen.append(window["id"])
    assert sorted(seen) == sorted(map(window_id, range(WINDOWS)))


def test_a_fast_batch_does_not_overtake_a_slow_one(cuts):
    class Uneven(Windows):
        def each(self, asked):
            time.sleep(0.05 if asked[0].row % 3 == 0 else 0)
            yield from super().each(asked)

    batches = partial(WindowBatches, cuts, batch_size=5, buckets=2)
    found = ids(BatchLoader(batches(), Uneven(cuts, audio=False), num_prefetch=8, collate=list))
    assert found == ids(BatchLoader(batches(), Windows(cuts, audio=False), num_prefetch=0, collate=list))


def test_ranks_that_have_an_empty_batch_at_the_end(shards):
    loaders = [
        BatchLoader(WindowBatches(shards, batch_size=2, partition=Partition(rank, 5)), Windows(shards))
        for rank in range(5)
    ]
    found = [list(loader) for loader in loaders]
    assert len(set(map(len, found))) == 1
    assert sum(len(batch.windows) for batches in found for batch in batches) == WINDOWS
    assert {batch.audio.shape for batches in found for batch in batches if not batch.windows} == {(0, 0)}


def test_features_by_a_partial(shards):
    windows = WindowBatches(shards, batch_size=4)
    loader = BatchLoader(
        windows, Windows(shards), collate=partial(collate, features=lambda samples, _: samples[::160, None])
    )
    for batch in loader:
        assert batch.features.shape == (4, -(-batch.audio.shape[1] // 160), 1)


@pytest.mark.parametrize("num_prefetch", PREFETCH)
def test_what_is_still_to_come_is_counted(cuts, num_prefetch):
    loader = loader_of(cuts, num_prefetch)
    passing = iter(loader)
    for left in range(len(loader), 0, -1):
        assert len(passing) == left
        next(passing)
    assert len(passing) == 0
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(passing)


# How much


@pytest.mark.parametrize("num_prefetch", PREFETCH)
def test_no_more_batches_are_held_than_asked_for(cuts, num_prefetch):
    class Held:
        pass

    alive: weakref.WeakSet[Held] = weakref.WeakSet()
    most = []

    def made(_):
        held = Held()
        alive.add(held)
        return held

    batches = WindowBatches(cuts, batch_size=5, buckets=2)
    loader = BatchLoader(batches, Windows(cuts, audio=False), num_prefetch=num_prefetch, collate=made)
    for batch in loader:
        time.sleep(0.02)
        assert batch in alive
        most.append(len(alive))
    assert max(most) == num_prefetch + 1
    del batch
    gc.collect()
    assert not alive


def test_threads_read_while_the_loop_is_busy(cuts):
    loader = slow_loader(cuts, 3, seconds=0)
    passing = iter(loader)
    next(passing)
    assert ended()
    assert loader.windows.read == 20, "the one in use and three more"


def test_without_prefetch_there_is_no_thread(cuts):
    loader = slow_loader(cuts, 0, seconds=0)
    for number, _ in enumerate(loader, 1):
        assert not threads()
        assert loader.windows.read == min(5 * number, 100)


# When the loop ends


def leave_by_break(loader):
    for _ in loader:
        break


def leave_by_exception(loader):
    def train():
        for _ in loader:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()


def leave_by_close(loader):
    passing = iter(loader)
    next(passing)
    passing.close()
    assert list(passing) == []


def leave_by_forgetting(loader):
    passing = iter(loader)
    next(passing)
    del passing


@pytest.mark.parametrize("num_prefetch", PREFETCH)
@pytest.mark.parametrize("leave", [leave_by_break, leave_by_exception, leave_by_close, leave_by_forgetting])
def test_threads_stop_when_the_loop_is_left(cuts, leave, num_prefetch):
    loader = slow_loader(cuts, num_prefetch, seconds=0.05)
    leave(loader)
    read = loader.windows.read
    assert ended()
    assert loader.windows.read <= read + num_prefetch, "each thread ends the window that it was at"
    later = loader_of(cuts, 0)
    later.load_state_dict(loader.state_dict())
    assert len(list(later)) == len(loader) - 1


@pytest.mark.parametrize("num_prefetch", PREFETCH)
def test_threads_stop_when_one_fails(cuts, num_prefetch):
    made = []

    def fail(windows):
        made.append(windows)
        raise OSError("the store fails")

    batches = WindowBatches(cuts, batch_size=5, buckets=2)
    windows = Slow(cuts, audio=False, seconds=0.02)
    passing = iter(BatchLoader(batches, windows, num_prefetch=num_prefetch, collate=fail))
    with pytest.raises(OSError, match="the store fails"):
        next(passing)
    assert ended()
    assert len(made) <= max(1, num_prefetch)


@pytest.mark.parametrize("num_prefetch", PREFETCH)
def test_an_error_comes_at_its_place_and_the_batch_after_it_is_mended(tmp_path, num_prefetch):
    folder = write_shards(tmp_path / "shards", WINDOWS, shards=1)
    whole = ids(BatchLoader(WindowBatches(folder, batch_size=3), Windows(folder, audio=False), collate=list))
    [path] = Path(folder).glob("shar/*.tar")
    sound = path.read_bytes()
    loader = BatchLoader(WindowBatches(folder, batch_size=3), Windows(folder), num_prefetch=num_prefetch)
    [bad] = [window for window in Windows(folder, audio=False) if window["id"] == whole[2][1]]
    member = bad["custom"]["audio_member"]
    at = member["offset"] + member["bytes"] // 2
    path.write_bytes(sound[:at] + b"damage" + sound[at + 6 :])
    passing = iter(loader)
    found = [next(passing).windows for _ in range(2)]
    for _ in range(3):
        with pytest.raises(WindowError, match=f"window '{bad['id']}', .* another digest"):
            next(passing)
    assert len(passing) == 2
    later = BatchLoader(WindowBatches(folder, batch_size=3), Windows(folder, audio=False), collate=list)
    later.load_state_dict(loader.state_dict())
    assert ids(later) == whole[2:]
    path.write_bytes(sound)
    found += [batch.windows for batch in passing]
    assert ids(found) == whole


@pytest.mark.parametrize("num_prefetch", PREFETCH)
def test_an_error_of_the_plan_comes_at_its_place(cuts, num_prefetch):
    class Failing(WindowBatches):
        planned, fails_at = 0, 6

        def tokens(self, epoch, windows):
            self.planned += 1
            if self.planned == self.fails_at:
                raise OSError("no more is planned")
            return super().tokens(epoch, windows)

    whole = ids(loader_of(cuts, 0))
    batches = Failing(cuts, batch_size=5, buckets=2, seed=1)
    passing = iter(BatchLoader(batches, Windows(cuts, audio=False), num_prefetch=num_prefetch, collate=list))
    assert ids(next(passing) for _ in range(5)) == whole[:5]
    with pytest.raises(OSError, match="no more is planned"):
        next(passing)
    assert ended()


def test_an_interrupt_loses_nothing(cuts, monkeypatch):
    whole = ids(loader_of(cuts, 0))
    loader = slow_loader(cuts, 2)
    passing = iter(loader)
    found = [next(passing) for _ in range(3)]

    def interrupt(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loader, "ahead", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(passing)
    found += passing
    assert ids(found) == whole


def test_an_interrupt_while_waiting_loses_nothing(cuts):
    whole = ids(loader_of(cuts, 0))
    loader = slow_loader(cuts, 2, seconds=0.2)
    passing = iter(loader)
    timer = threading.Timer(0.3, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        next(passing)
    assert ended()
    assert loader.windows.read <= 6
    loader.windows.seconds = 0
    assert ids(passing) == whole


SCRIPT = """
import sys, threading, time
from alm_beam.loader import BatchLoader, WindowBatches, Windows

read = []

class Slow(Windows):
    def each(self, asked):
        for window in super().each(asked):
            time.sleep(0.05)
            read.append(1)
            yield window

batches = WindowBatches(sys.argv[1], batch_size=50)
loader = BatchLoader(batches, Slow(sys.argv[1], audio=False), num_prefetch=1, collate=list)
"""


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, env=environment, timeout=120
    )


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "1 / 0"])
def test_a_program_that_ends_does_not_wait_for_batches(cuts, end):
    """Nor does it say anything that it would not say without."""
    script = (
        SCRIPT
        + "import atexit\n"
        + "passing = iter(loader)\n"
        + "next(passing)\n"
        + "before = len(read)\n"
        + "atexit.register(lambda: print(len(read) - before))\n"
        + end
    )
    done = run(script, cuts)
    assert int(done.stdout) <= 2, "of 50"
    assert done.returncode == {"": 0, "1 / 0": 1}.get(end, 3)
    assert done.stderr == "" or "ZeroDivisionError" in done.stderr
    assert "threading" not in done.stderr


def test_a_thread_that_outlives_the_program_still_gets_its_batches(cuts):
    script = (
        SCRIPT
        + "def train():\n"
        + "    for number, batch in enumerate(loader):\n"
        + "        if not number:\n"
        + "            began.set()\n"
        + "            while threading.main_thread().is_alive():\n"
        + "                time.sleep(0.01)\n"
        + "        print(len(batch))\n"
        + "began = threading.Event()\n"
        + "threading.Thread(target=train).start()\n"
        + "began.wait()\n"
    )
    done = run(script, cuts)
    assert (done.stdout.split(), done.stderr) == (["50", "50"], "")


def test_a_fork_goes_on_without_the_threads(cuts):
    script = (
        SCRIPT
        + "import os\n"
        + "passing = iter(loader)\n"
        + "first = next(passing)\n"
        + "child = os.fork()\n"
        + "found = [len(batch) for batch in passing]\n"
        + "assert found == [50], found\n"
        + "if child:\n"
        + "    _, status = os.waitpid(child, 0)\n"
        + "    assert status == 0, status\n"
    )
    done = run(script, cuts)
    assert done.returncode == 0, done.stderr


# State


@pytest.mark.parametrize("num_prefetch", PREFETCH)
def test_a_state_tells_what_the_loop_has_had(cuts, num_prefetch):
    whole = ids(loader_of(cuts, 0))
    following = loader_of(cuts, 0)
    following.set_epoch(1)
    following = ids(following)
    loader = loader_of(cuts, num_prefetch)
    states = [loader.state_dict()]
    passing = iter(loader)
    states[0] = loader.state_dict()
    for _ in passing:
        assert passing.state_dict() == loader.state_dict()
        states.append(json.loads(json.dumps(loader.state_dict())))
    for count, state in enumerate(states):
        later = loader_of(cuts, num_prefetch)
        later.load_state_dict(state)
        assert later.state_dict() == state
        assert ids(later) == whole[count:]
        assert ids(later) == following


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 2), (2, 1)])
def test_other_ranks_go_on_with_the_state_of_one(cuts, before, after):
    found = []
    for rank in range(before):
        loader = loader_of(cuts, partition=Partition(rank, before))
        passing = iter(loader)
        found += ids(next(passing) for _ in range(3))
        state = loader.state_dict()
    for rank in range(after):
        loader = loader_of(cuts, partition=Partition(rank, after))
        loader.load_state_dict(state)
        found += ids(loader)
    assert sorted(each for batch in found for each in batch) == sorted(f"window-{number}" for number in range(100))


def test_a_state_may_be_loaded_while_a_pass_reads(cuts):
    loader = loader_of(cuts)
    passing = iter(loader)
    next(passing)
    state = loader.state_dict()
    rest = ids(passing)
    loader.load_state_dict(state)
    assert loader.state_dict() == state
    assert ids(loader) == rest


def test_a_state_of_others_is_refused(cuts, more_cuts):
    loader = loader_of(cuts)
    next(iter(loader))
    before = loader.state_dict()
    with pytest.raises(StateError, match="the state does not fit"):
        loader.load_state_dict(loader_of(more_cuts).state_dict())
    assert loader.state_dict() == before
    assert merge_states([before]) == before


def test_an_epoch_may_be_chosen(cuts):
    loader = loader_of(cuts)
    first, second = ids(loader), ids(loader)
    assert first != second
    loader.set_epoch(1)
    assert loader.epoch == loader.state_dict()["epoch"] == 1
    assert ids(loader) == second
    loader.set_epoch(1)
    assert loader.epoch == 1


def test_a_pickled_loader_is_the_same(cuts):
    loader = loader_of(cuts)
    next(iter(loader))
    again = pickle.loads(pickle.dumps(loader))
    loader.set_epoch(0)
    again.set_epoch(0)
    assert ids(again) == ids(loader)


# What does not fit


def test_windows_of_other_sources_are_an_error(cuts, more_cuts, tmp_path):
    batches = WindowBatches([cuts, more_cuts], batch_size=4)
    with pytest.raises(SourceError, match=r"different sources \(2 and 1\); give both the same"):
        BatchLoader(batches, Windows(cuts))
    with pytest.raises(SourceError, match=r"different sources \(source 0 has other windows\)"):
        BatchLoader(batches, Windows([more_cuts, cuts]))
    same = write_cuts(tmp_path / "same", [cut(number) for number in range(1000, 1037)], shards=2)
    assert len(BatchLoader(batches, Windows([Source(cuts), same], audio=False)))


@pytest.mark.parametrize("num_prefetch", [-1, 1.5, True, None])
def test_a_number_that_is_none_is_an_error(cuts, num_prefetch):
    with pytest.raises(ValueError, match=r"num_prefetch=.*: must be an integer, 0 or above"):
        loader_of(cuts, num_prefetch)


@pytest.mark.parametrize("num_prefetch", PREFETCH)
def test_an_end_that_collate_raises_is_not_that_of_the_epoch(cuts, num_prefetch):
    def ends(windows):
        return next(each for each in windows if each is None)

    batches = WindowBatches(cuts, batch_size=5, seed=1)
    passing = iter(BatchLoader(batches, Windows(cuts, audio=False), num_prefetch=num_prefetch, collate=ends))
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        next(passing)
    passing.close()


def test_audio_of_another_rate_than_samples_were_counted_at_is_refused(shards):
    batches = WindowBatches(shards, max_num_elements=1_000_000, sample_rate=8000)
    with pytest.raises(ValueError, match=r"the audio has 16000 Hz, .* give WindowBatches sample_rate=16000"):
        next(iter(BatchLoader(batches, Windows(shards))))
    assert list(BatchLoader(WindowBatches(shards, max_num_elements=1_000_000), Windows(shards)))
    assert list(BatchLoader(WindowBatches(shards, max_seconds=100, sample_rate=8000), Windows(shards)))
