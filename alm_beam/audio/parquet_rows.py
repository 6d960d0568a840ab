"""Audio of rows of a parquet file whose column `audio_bytes` is a list of 8-bit integers."""

from typing import Any, BinaryIO, NamedTuple

_COLUMN = "audio_bytes"


class AudioRows(NamedTuple):
    """The encoded audio of rows that follow each other.

    Attributes:
        first: number of the first of them in the file.
        audio: of each.
    """

    first: int
    audio: list[bytes]

    def of(self, row: int) -> bytes | None:
        """The audio of a row; None where it is not among these.

        >>> AudioRows(100, [b"a", b"b"]).of(101), AudioRows(100, [b"a"]).of(99)
        (b'b', None)
        """
        return self.audio[row - self.first] if 0 <= row - self.first < len(self.audio) else None


def rows_with(row: int, file: BinaryIO, name: str) -> AudioRows:
    """The rows of the row group that a row is in: no row can be read without those before it.

    Args:
        row: its number in the file, from 0.
        file: is sought in.
        name: of the file, for messages.

    Raises:
        ImportError: pyarrow is not there.
        ValueError: the file is no such parquet file, has no such row, or cannot be decoded.
        OSError: the file fails.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ImportError(f"{name}: to read parquet, pyarrow is needed: pip install pyarrow ({error})") from None
    try:
        table: Any = ParquetFile(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise _of_content(error, f"{name}: not a whole parquet file") from None
    kinds = {field.name: field.type for field in table.schema_arrow}
    if kinds.get(_COLUMN) != pyarrow.list_(pyarrow.int8()):
        raise ValueError(f"{name}: expected a column {_COLUMN} of list<int8>, found {kinds.get(_COLUMN)}")
    first = 0
    for group in range(table.metadata.num_row_groups):
        count = table.metadata.row_group(group).num_rows
        if first <= row < first + count:
            break
        first += count
    else:
        raise ValueError(f"{name}: there is no row {row}, it has {first}")
    try:  # a row at a time: decoding a group at once takes 14 times as many bytes as the audio has
        rows = table.iter_batches(1, [group], [_COLUMN], use_threads=False)
        lists = [each.column(0)[0].values for each in rows]
    except (pyarrow.ArrowException, OSError) as error:
        raise _of_content(error, f"{name}: row group {group} cannot be read") from None
    if None in lists:
        raise ValueError(f"{name}: row group {group} has a row without {_COLUMN}")
    return AudioRows(first, [each.to_numpy().tobytes() for each in lists])


def _of_content(error: Exception, what: str) -> Exception:
    """The error as one of the file's content, unless the file itself failed: pyarrow has `OSError` for both."""
    is_of_file = isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None)
    return error if is_of_file else ValueError(f"{what}: {error}")
