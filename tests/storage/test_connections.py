"""The connections of this package, where several threads or processes use them."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from alm_beam.storage import connections
from alm_beam.storage.connections import close_connections, connect

S3 = {"s3": {"key": "k", "secret": "a-secret", "endpoint_url": "http://127.0.0.1:9"}}


def storage_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "alm_beam-storage"]


def test_threads_that_connect_at_the_same_time_share_one_filesystem_and_one_thread(monkeypatch):
    close_connections()
    new_loop = connections.asyncio.new_event_loop

    def slow():
        time.sleep(0.05)
        return new_loop()

    monkeypatch.setattr(connections.asyncio, "new_event_loop", slow)
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(lambda name: connect(f"s3://{name}/x", S3)[0], "abcdefgh")]
    assert len({*map(id, found)}) == 1
    assert len(storage_threads()) == 1
    found.clear()
    close_connections()
    assert not storage_threads()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # that there are threads is what is tested
def test_a_fork_made_while_another_thread_connects_can_connect():
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with connections._lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        threading.Timer(60, os._exit, (1,)).start()
        connect("/tmp/x")
        os._exit(0)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
