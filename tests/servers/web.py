"""An HTTP server on loopback whose answers may not be what it stated."""

import gzip
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Site:
    """A running server of one file.

    Attributes:
        content: of the file.
        port: on loopback; 0 until it runs.
        stated: the size that it states, bytes; None: that of the content; 0: none.
        encodes: whether answers are compressed, in whole, whatever the client accepts.
        encoding_is_stated: whether they are where only the size is asked for, too.
        takes_ranges: whether a part can be asked for.
        etag: of the file.
        refuses: the status of every answer, if it is to be a refusal.
        requests: how many were answered.
    """

    content: bytes
    port: int = 0
    stated: int | None = None
    encodes: bool = False
    encoding_is_stated: bool = False
    takes_ranges: bool = True
    etag: str = '"1"'
    refuses: int | None = None
    requests: int = 0

    def url(self, name: str = "m.jsonl") -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


@contextmanager
def web_site(site: Site) -> Iterator[Site]:
    """The server, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            encoding = {"Content-Encoding": "gzip"} if site.encoding_is_stated else {}
            size = len(site.content) if site.stated is None else site.stated
            self._answer(200, b"", {"Content-Length": str(size), **encoding} if size else encoding)

        def do_GET(self) -> None:
            if site.encodes:
                packed = gzip.compress(site.content)
                self._answer(200, packed, {"Content-Length": str(len(packed)), "Content-Encoding": "gzip"})
                return
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if asked and site.takes_ranges:
                start, end = int(asked.group(1)), min(int(asked.group(2)) + 1, len(site.content))
                part = site.content[start:end]
                status = 206 if part else 416
                about = {"Content-Range": f"bytes {start}-{end - 1}/{len(site.content)}"} if part else {}
                self._answer(status, part, {"Content-Length": str(len(part)), **about})
                return
            self._answer(200, site.content, {"Content-Length": str(len(site.content))})

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            site.requests += 1
            if site.refuses is not None:
                status, body, headers = site.refuses, b"", {"Content-Length": "0"}
            self.send_response_only(status)
            for name, value in {"ETag": site.etag, "Content-Type": "text/plain", **headers}.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
