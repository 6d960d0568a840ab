"""Windows with their audio in other processes, which are forked or started anew."""

import json
import os
import pickle
import subprocess
import sys

import pytest

from alm_beam.loader import WindowLoader
from tests.loader.sounding import RATE, assert_is, number_of, window_id
from tests.loader.uploads import uploaded

WINDOWS = 12

READ_ALL = """
import json, sys
from alm_beam.loader import Partition, WindowLoader
from tests.loader.sounding import assert_is, number_of

def read(loader, rank, queue):
    loader.partition = Partition(rank, 2)
    windows = list(loader)
    for window in windows:
        assert_is(window["audio"], number_of(window))
        assert_is(loader.audio(window), number_of(window))
    queue.put([window["id"] for window in windows])

if __name__ == "__main__":
    import multiprocessing
    context = multiprocessing.get_context(sys.argv[1])
    loader = WindowLoader(sys.argv[2], audio=True, storage_options=json.loads(sys.argv[3]) or None)
    begun = iter(loader)
    seen = [next(begun)["id"] for _ in range(2)]
    queue = context.Queue()
    workers = [context.Process(target=read, args=(loader, rank, queue)) for rank in range(2)]
    for worker in workers:
        worker.start()
    found = queue.get(timeout=120) + queue.get(timeout=120)
    for worker in workers:
        worker.join()
    for window in begun:
        assert_is(window["audio"], number_of(window))
        seen.append(window["id"])
    print(json.dumps([sorted(found), sorted(seen)]))
"""
"""It runs in a process of its own: other tests leave threads of gRPC, with which no process may fork."""


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("where", ["here", "in S3"])
def test_audio_in_other_processes(s3, shards, tmp_path, method, where):
    script = tmp_path / "read_all.py"
    script.write_text(READ_ALL)
    url, options = (shards, {}) if where == "here" else (uploaded(s3, shards), s3.options)
    command = [sys.executable, str(script), method, url, json.dumps(options)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    whole = sorted(map(window_id, range(WINDOWS)))
    assert json.loads(done.stdout) == [whole, whole]


def test_an_iterator_goes_on_after_a_fork(s3, shards, tmp_path):
    """What its threads were fetching ahead in the parent never comes in the child."""
    script = tmp_path / "forks.py"
    script.write_text(
        "import json, os, sys\n"
        "from alm_beam.loader import WindowLoader\n"
        "from tests.loader.sounding import assert_is, number_of\n"
        "loader = WindowLoader(sys.argv[1], audio=True, storage_options=json.loads(sys.argv[2]))\n"
        "windows = iter(loader)\n"
        "next(windows)\n"
        "child = os.fork()\n"
        "rest = [window['id'] for window in windows if assert_is(window['audio'], number_of(window)) is None]\n"
        "if not child:\n"
        "    os._exit(0 if len(rest) == 11 else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert len(rest) == 11\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), uploaded(s3, shards), json.dumps(s3.options)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr


def test_a_pickled_loader_gives_audio(shards):
    loader = pickle.loads(pickle.dumps(WindowLoader(shards, audio=True)))
    for window in loader:
        assert_is(window["audio"], number_of(window))
        assert_is(loader.audio(window), number_of(window))
    assert pickle.loads(pickle.dumps(window))["audio"].sample_rate == RATE
