"""A folder as a bucket of S3, for reading alone: each request takes a while, and nearly nothing of a core.

What the tests' servers take of a core for each request is more than what a client waits for a real store.
"""

import asyncio
import contextlib
import email.utils
import multiprocessing
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "bucket"


@contextlib.contextmanager
def serving_folder(folder: str, delay: float) -> Iterator[dict[str, Any]]:
    """Serves the files of a folder as objects of BUCKET, in a process of its own.

    Args:
        folder: on this machine; its files do not change.
        delay: seconds that each request waits.

    Yields:
        The options of s3fs.
    """
    context = multiprocessing.get_context("spawn")
    ports = context.SimpleQueue()
    process = context.Process(target=_serve, args=(folder, delay, ports), daemon=True)
    process.start()
    try:
        yield {"endpoint_url": f"http://127.0.0.1:{ports.get()}", "key": "key", "secret": "secret"}
    finally:
        process.kill()
        process.join()


def _serve(folder: str, delay: float, ports: Any) -> None:
    async def serve() -> None:
        objects = _Objects(Path(folder), delay)
        server = await asyncio.start_server(objects.answer, "127.0.0.1", 0, backlog=512)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


class _Objects:
    """Answers requests for the files of a folder."""

    def __init__(self, folder: Path, delay: float):
        self._delay = delay
        self._files = {
            path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
        }

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                await asyncio.sleep(self._delay)
                fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                method, target, _ = head[0].split()
                code, more, body = self._answer(urlsplit(target), fields)
                writer.write(f"HTTP/1.1 {code} -\r\n{more}content-length: {len(body)}\r\n\r\n".encode())
                if method != "HEAD":
                    writer.write(body)
                await writer.drain()
        writer.close()

    def _answer(self, target: Any, fields: dict[str, str]) -> tuple[int, str, bytes]:
        """Code, header lines, and body."""
        name = unquote(target.path).removeprefix(f"/{BUCKET}").removeprefix("/")
        if not name:
            asked = {key: value for key, [value] in parse_qs(target.query).items()}
            return 200, "content-type: application/xml\r\n", self._listed(asked.get("prefix", ""), "delimiter" in asked)
        if name not in self._files:
            return 404, "", b""
        path = self._files[name]
        status = path.stat()
        more = f'last-modified: {email.utils.formatdate(status.st_mtime, usegmt=True)}\r\netag: "{name}"\r\n'
        if "range" not in fields:
            return 200, more, path.read_bytes()
        first, last = fields["range"].removeprefix("bytes=").split("-")
        start, stop = int(first), min(int(last or status.st_size - 1) + 1, status.st_size)
        with path.open("rb") as file:
            file.seek(start)
            return 206, f"{more}content-range: bytes {start}-{stop - 1}/{status.st_size}\r\n", file.read(stop - start)

    def _listed(self, prefix: str, is_folder: bool) -> bytes:
        """The answer of ListObjectsV2, all in one page."""
        names = [name for name in self._files if name.startswith(prefix)]
        below = [name for name in names if is_folder and "/" in name[len(prefix) :]]
        inner = sorted({f"{prefix}{name[len(prefix) :].partition('/')[0]}/" for name in below})
        shown = [name for name in names if name not in below]
        contents = "".join(map(self._content, shown))
        folders = "".join(f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in inner)
        return (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><KeyCount>{len(shown)}</KeyCount><IsTruncated>false</IsTruncated>{contents}"
            f"{folders}</ListBucketResult>"
        ).encode()

    def _content(self, name: str) -> str:
        status = self._files[name].stat()
        when = datetime.fromtimestamp(status.st_mtime, timezone.utc)
        return (
            f"<Contents><Key>{escape(name)}</Key><LastModified>{when:%Y-%m-%dT%H:%M:%S}.000Z</LastModified>"
            f"<ETag>&quot;{escape(name)}&quot;</ETag><Size>{status.st_size}</Size></Contents>"
        )
