"""What other filesystems tell of their files, and what their servers refuse."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from alm_beam.storage.discovery import InputError, find_manifests


class OddFileSystem(MemoryFileSystem):
    """Has links and more, as the filesystems of SSH and Hadoop have: a name says what is there."""

    protocol = "odd"
    store: dict[str, Any] = {}  # noqa: RUF012
    pseudo_dirs = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("odd:/"))

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        return [self._typed(info) for info in super().ls(path, detail=True)]

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        info = super().info(path)
        return self._typed(info) if "link" not in path else {**info, "type": "file"}

    def cat_file(self, path: str, *args: Any, **kwargs: Any) -> bytes:
        if "broken" in path:
            raise OSError(5, "Input/output error")
        return super().cat_file(path, *args, **kwargs)

    def _typed(self, info: dict[str, Any]) -> dict[str, Any]:
        if "link" in info["name"]:
            return {**info, "type": "link", "size": 3}
        return {**info, "type": "other"} if "socket" in info["name"] else info


@pytest.fixture
def odd_files() -> MemoryFileSystem:
    fsspec.register_implementation("odd", OddFileSystem, clobber=True)
    OddFileSystem.store.clear()
    return OddFileSystem()


def test_what_a_filesystem_calls_neither_file_nor_folder_is_no_manifest(odd_files, caplog):
    for name in ("m.jsonl", "link.jsonl", "socket.jsonl"):
        odd_files.pipe_file(f"/in/{name}", b"{}")
    for pattern in ("odd://in", "odd://in/*"):
        assert [each[:2] for each in find_manifests([pattern])] == [("odd://in/link.jsonl", 2), ("odd://in/m.jsonl", 2)]
    assert "passes over odd://in/socket.jsonl" in caplog.text
    with pytest.raises(InputError, match="is no file"):
        find_manifests(["odd://in/socket.jsonl"])


@pytest.mark.parametrize("pattern", ["odd://in/broken.jsonl", "odd://in", "odd://in/*"])
def test_a_remote_file_that_cannot_be_read_is_found_out_at_once(odd_files, pattern):
    odd_files.pipe_file("/in/broken.jsonl", b"{}")
    with pytest.raises(InputError, match=r"odd://in/broken\.jsonl cannot be read \(.*Input/output error\)"):
        find_manifests([pattern])


class Refusing(BaseHTTPRequestHandler):
    """Says of each file how large it is; gives those called `open` alone."""

    def do_HEAD(self) -> None:
        self.answer(403 if "secret" in self.path else 404 if "gone" in self.path else 200)

    def do_GET(self) -> None:
        self.answer(404 if "gone" in self.path else 200 if "open" in self.path else 403)
        self.wfile.write(b"{}" if "open" in self.path else b"")

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2" if status == 200 else "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("name", "why"), [("secret", "403"), ("listed", r"m\.jsonl cannot be read \(.*403"), ("gone", "no such file")]
)
def test_what_a_server_refuses_is_found_out_at_once(name, why):
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        root = f"http://127.0.0.1:{server.server_port}"
        assert find_manifests([f"{root}/open/m.jsonl"])[0].size == 2
        with pytest.raises(InputError, match=why):
            find_manifests([f"{root}/{name}/m.jsonl"])
    finally:
        server.shutdown()
        server.server_close()
