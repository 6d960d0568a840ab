"""Lines to shards of bounded size, in the temporary folder of a run. No Beam."""

from contextlib import suppress
from typing import Any

from fsspec.spec import AbstractBufferedFile

from alm_beam.storage.outputs import Sharded
from alm_beam.storage.paths import BLOCK_BYTES, errors_that_name, is_local, located, make_folder
from alm_beam.storage.staged_run import StagedRun

_SHARD_BYTES = 1 << 30
"""A store takes a shard of this size in few parts, and copies it by one request."""


class LineShards:
    """The shards of one output of a run.

    Args:
        run: the run.
        output: which of its outputs.
        max_bytes: a shard that has so many bytes is followed by another.

    >>> import tempfile
    >>> from alm_beam.storage.outputs import CONVERSION, CONVERTED
    >>> from alm_beam.storage.run_folder import RunFolder
    >>> from alm_beam.storage.staged_run import StagedRun
    >>> shards = LineShards(StagedRun.of(RunFolder(tempfile.mkdtemp(), CONVERSION), "1"), CONVERTED, max_bytes=5)
    >>> shards.write([b"one", b"two"]); shards.write([b"three"])
    >>> shards.close()
    >>> list(shards.moves(least=1).values())
    ['manifest-00000-of-00002.jsonl', 'manifest-00001-of-00002.jsonl']
    """

    def __init__(self, run: StagedRun, output: Sharded, max_bytes: int = _SHARD_BYTES):
        self._run = run
        self._output = output
        self._max_bytes = max_bytes
        self._count = 0
        self._size = 0
        self._url = ""
        self._file: Any = None

    def write(self, lines: list[bytes]) -> None:
        """Adds lines, given without newlines, all of them to the same shard.

        Raises:
            OSError: they cannot be written.
        """
        if self._file is None:
            self._open()
        with errors_that_name(self._url):
            for line in lines:
                self._file.writelines((line, b"\n"))
                self._size += len(line) + 1
        if self._size >= self._max_bytes:
            self.close()

    def close(self) -> None:
        """Ends the last shard.

        Raises:
            OSError: it cannot be written.
        """
        if self._file is not None:
            with errors_that_name(self._url):
                self._file.close()
            self._file = None

    def abandon(self) -> None:
        """Closes the last shard, so that a store keeps nothing of it."""
        with suppress(Exception):
            if isinstance(self._file, AbstractBufferedFile):
                self._file.closed = True
                self._file.discard()
            elif self._file is not None:
                self._file.close()
        self._file = None

    def moves(self, least: int) -> dict[str, str]:
        """The moves by which the shards are published, as `StagedRun.publish` takes them.

        Args:
            least: so many shards have to be there; empty ones are added.
        """
        while self._count < least:
            self._open()
            self.close()
        numbers = range(self._count)
        folder = f"shards-{self._output.name}"
        return {f"{folder}/{self._name(each)}": self._output.file_name(each, self._count) for each in numbers}

    def _name(self, number: int) -> str:
        return f"{number:05d}{self._output.suffix}"

    def _open(self) -> None:
        self._url = f"{self._run.shards_url(self._output)}/{self._name(self._count)}"
        with errors_that_name(self._url):
            place = located(self._url, self._run.options)
            make_folder(place.fs, place.path.rpartition("/")[0])
            self._file = (
                open(place.path, "wb", buffering=1 << 20)  # noqa: SIM115 (closed by `close` or `abandon`)
                if is_local(place.fs)
                else place.fs.open(place.path, "wb", block_size=BLOCK_BYTES)
            )
        self._count += 1
        self._size = 0
