"""An HTTP proxy on loopback that sometimes answers as a server in trouble would."""

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}

_XML = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}, says the proxy</Message></Error>"


@dataclass
class Request:
    """What a client sent.

    Attributes:
        number: of the request, from 1, among all that the proxy took.
        method: of HTTP.
        path: with the query string, as on the wire.
        body: its first bytes.
    """

    number: int
    method: str
    path: str
    body: bytes

    def names(self, name: str) -> bool:
        """Whether it is about an object of such a name."""
        is_multipart = "uploadType=multipart" in self.path
        return name in self.path.replace("%2F", "/") or (is_multipart and name.encode() in self.body)


Fault = Callable[[Request], str | None]
"""What goes wrong with a request: "status:<code>:<word>", "reset", "cut" (half of the body comes), "hang", or None."""


@dataclass
class Proxy:
    """A running proxy.

    Attributes:
        port: on loopback.
        fault: decides what goes wrong; may be replaced at any time.
        delay: seconds that each request waits.
        requests: all that it took.
        faults: how many of them went wrong.
        answered: bytes of the bodies that it sent back.
    """

    port: int
    fault: Fault
    delay: float = 0
    requests: list[Request] = field(default_factory=list)
    faults: int = 0
    answered: int = 0


@contextmanager
def proxy(target: int, fault: Fault = lambda _: None, delay: float = 0) -> Iterator[Proxy]:
    """A proxy before the server on the port, for as long as the block lasts."""
    lock = threading.Lock()
    state = Proxy(0, fault, delay)
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            body = self._body()
            with lock:
                request = Request(len(state.requests) + 1, self.command, self.path, body[:1000])
                state.requests.append(request)
                kind = state.fault(request)
                state.faults += kind is not None
            time.sleep(state.delay)
            if kind == "reset":
                self._reset()
            elif kind == "hang":
                ended.wait(600)
                self.close_connection = True
            elif kind and kind.startswith("status:"):
                _, code, word = kind.split(":")
                self._answer(int(code), {"Content-Type": "application/xml"}, _XML.format(code=word).encode())
            else:
                self._forward(body, cut=kind == "cut")

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = do

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _forward(self, body: bytes, *, cut: bool) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            connection = http.client.HTTPConnection("127.0.0.1", target, timeout=600)
            connection.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
            answer = connection.getresponse()
            content = answer.read()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            connection.close()
            self._answer(answer.status, kept, content, length=length, cut=cut)

        def _answer(
            self, status: int, headers: dict[str, str], content: bytes, *, length: str | None = None, cut: bool = False
        ) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                with lock:
                    state.answered += len(content)
                self.wfile.write(content[: len(content) // 2] if cut else content)
            if cut:
                self.wfile.flush()
                self._reset()

        def _reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None:
            pass  # clients that went away

    server = Server(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield state
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
