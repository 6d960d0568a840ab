"""What the tests start ends with them."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.clusters.install import ROOT

HOLD = """
import time
from tests.servers.stores import serving
with serving("s3") as store:
    print(store.port, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_ends_with_a_test_run_that_is_killed(sent):
    run = subprocess.Popen([sys.executable, "-c", HOLD], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    port = int(run.stdout.readline())
    os.kill(run.pid, sent)
    run.communicate(timeout=600)
    deadline = time.monotonic() + 600
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
