"""Tar archives that depend on their content alone, written from beginning to end."""

import re
import tarfile

from alm_beam.core.text import visible
from alm_beam.shards.format import Output

_BLOCK_BYTES = tarfile.BLOCKSIZE
_SIZE_LIMIT = 8 << 30
"""Bytes that the header of a member cannot count any more: it has 11 octal digits for them."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")


class TarWriter:
    """Writes a tar of the plain format, ustar, which every reader knows: a header of 512 bytes for each member.

    The same members give the same bytes: there is no time, user or host in them.

    Attributes:
        size: bytes that were written so far, at which the header of the next member will stand.

    Args:
        output: where to.

    >>> import io
    >>> archive = TarWriter(file := io.BytesIO())
    >>> archive.add("a.txt", b"text"), archive.size
    (512, 1024)
    >>> archive.add("b.txt", b""), archive.finish()
    (1536, 10240)
    >>> tarfile.open(fileobj=io.BytesIO(file.getvalue())).getnames()
    ['a.txt', 'b.txt']
    """

    def __init__(self, output: Output):
        self.size = 0
        self._output = output
        self._names: set[str] = set()

    def add(self, name: str, data: bytes) -> int:
        """Adds a member, and tells where its data begins, bytes.

        Nothing is written if an error is raised.

        Args:
            name: of the member: at most 100 ASCII letters, digits, `-`, `_` and `.`, of which the last is not the first
                character. So it leads to no other folder.
            data: of the member, less than 8 GiB.

        Raises:
            ValueError: the name is none of these, or an earlier member has it, or the data is too long.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{visible(name)}: no name for a member of a tar; it has 1 to 100 letters, digits, -, _ and ., "
                "and does not begin with a dot"
            )
        if name in self._names:
            raise ValueError(f"{name}: the tar has a member of this name already; readers would take one for the other")
        if len(data) >= _SIZE_LIMIT:
            raise ValueError(
                f"{name}: {len(data)} bytes; a member of a tar of the format ustar has less than {_SIZE_LIMIT} (8 GiB)"
            )
        self._names.add(name)
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._write(info.tobuf(tarfile.USTAR_FORMAT))
        offset = self.size
        self._write(data)
        self._write(bytes(-len(data) % _BLOCK_BYTES))
        return offset

    def finish(self) -> int:
        """Writes the end of the tar, and tells its size, bytes."""
        self._write(bytes(2 * _BLOCK_BYTES))
        self._write(bytes(-self.size % tarfile.RECORDSIZE))
        return self.size

    def _write(self, data: bytes) -> None:
        self._output.write(data)
        self.size += len(data)
