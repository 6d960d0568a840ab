"""Object stores on loopback: real servers, each a process of its own, that speak the protocols of S3 and GCS."""

import contextlib
import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fsspec
from gcsfs.core import GCSFileSystem

from tests.servers.processes import end_with_parent

SECRET = "a-secret-that-nothing-may-show"
"""The credential of every store in every test."""

_START_SECONDS = 600

_GCS = (
    "import sys; from gcp_storage_emulator.server import create_server\n"
    "server = create_server('127.0.0.1', int(sys.argv[1]), in_memory=True); server.run()"
)


@dataclass
class Store:
    """A running server, and how fsspec reaches it.

    Attributes:
        scheme: of its URLs.
        port: on loopback.
        options: fsspec's, for the scheme.
    """

    scheme: str
    port: int
    options: dict[str, Any]

    @property
    def fs(self) -> fsspec.AbstractFileSystem:
        # gcsfs's newer class asks by gRPC what kind a bucket is, which the server here does not answer.
        kind = GCSFileSystem if self.scheme == "gs" else fsspec.get_filesystem_class(self.scheme)
        return kind(**self.options, use_listings_cache=False)

    def bucket(self) -> str:
        """The URL of a new one."""
        name = f"b{uuid.uuid4().hex[:12]}"
        self.fs.mkdir(name)
        return f"{self.scheme}://{name}"

    def flag(self, **more: Any) -> str:
        return f"--storage_options={json.dumps({self.scheme: {**self.options, **more}})}"

    def behind(self, port: int) -> "Store":
        """The same store, reached through a proxy."""
        return Store(self.scheme, port, {**self.options, "endpoint_url": f"http://127.0.0.1:{port}"})

    def names(self, folder: str) -> set[str]:
        """Of everything below a folder, from there."""
        root = folder.partition("://")[2]
        return {path.removeprefix(f"{root}/") for path in self.fs.find(root)}

    def read(self, url: str) -> bytes:
        return self.fs.cat_file(url)

    def write(self, url: str, content: bytes) -> str:
        self.fs.pipe_file(url, content)
        return url


def s3_options(port: int) -> dict[str, Any]:
    return {
        "endpoint_url": f"http://127.0.0.1:{port}",
        "key": "the-key-of-a-tester",
        "secret": SECRET,
    }


def gcs_options(port: int) -> dict[str, Any]:
    return {"endpoint_url": f"http://127.0.0.1:{port}", "token": "anon"}


@contextlib.contextmanager
def serving(scheme: str) -> Iterator[Store]:
    """A server of the kind, on a free port, for as long as the block lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if scheme == "s3":
        command, options = ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], s3_options(port)
    else:
        command, options = ["-c", _GCS, str(port)], gcs_options(port)
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=end_with_parent,
    )
    try:
        _wait_for(process, port)
        yield Store(scheme, port, options)
    finally:
        process.kill()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"no server on port {port}")
