"""What every format of another tool has: its pieces, and the entry that those of one recording make."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Piece(NamedTuple):
    """A part of what a tool wrote about one recording.

    Attributes:
        recording: what names the recording there. Pieces of the same name belong together, wherever they stand.
        kind: what it is: a segment, a word, what is known of the audio.
        value: its content, of what JSON can hold. Times are seconds from the start of the recording.
    """

    recording: str
    kind: str
    value: Any


@dataclass(frozen=True)
class Format:
    """One format, read.

    Attributes:
        pieces: what a line holds, or a whole file where `is_document`, as bytes; and the name of the file without
            folder and endings. It raises BadEntry.
        entry: the manifest entry of a recording: from its name, and all its pieces in the order in which they were
            read. It raises BadEntry.
        endings: files whose names end so are of this format for sure, compressed or not.
        is_document: a file is one document, not lines.
    """

    pieces: Callable[[bytes, str], Iterator[Piece]]
    entry: Callable[[str, Sequence[Piece]], dict[str, Any]]
    endings: tuple[str, ...] = ()
    is_document: bool = False
