"""What every format of another tool has: its pieces, and the entry that those of one recording make."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

PASSED_OVER = "passed over"
"""The kind of a piece that is only counted, and belongs to no recording. Its value says what it is."""


class Piece(NamedTuple):
    """A part of what a tool wrote about one recording.

    Attributes:
        recording: what names the recording there. Pieces of the same name belong together, wherever they stand.
        kind: what it is: a segment, a word, what is known of the audio; PASSED_OVER for what no entry holds.
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
        is_text: its lines are fields between white space, not JSON.
        counted: fields of an entry that hold a number, of which the statistics of a conversion state the sum.
    """

    pieces: Callable[[bytes, str], Iterator[Piece]]
    entry: Callable[[str, Sequence[Piece]], dict[str, Any]]
    endings: tuple[str, ...] = ()
    is_document: bool = False
    is_text: bool = False
    counted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """One format, made of cuts.

    Attributes:
        pieces: what a cut holds of it. It raises BadEntry.
        lines: the lines of a recording: from its name, and all its pieces in the order in which they were read.
        suffix: what the names of its files end with.
    """

    pieces: Callable[[Mapping[str, Any]], Iterator[Piece]]
    lines: Callable[[str, Sequence[Piece]], list[bytes]]
    suffix: str
