"""A sample of the lines of manifests: from many places, and no more than a few megabytes, however many there are."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from alm_beam.core.manifest import ManifestLine
from alm_beam.storage.compression import is_compressed, stored_position
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.lines import ReadRange, lines_in
from alm_beam.storage.manifest_file import opened

PLACES = 32
"""From so many places, evenly spread over the bytes of the input, lines are read. A power of two."""

PLACE_BYTES = 128 << 10
"""Of lines at each of them; one line at least."""

_SEARCHED_BYTES = 4 << 20
"""So far from its place a line may begin."""

_LINE_BYTES = 32 << 20
"""A longer line is not read."""

_RATIO_BYTES = 8 << 20
"""From so many bytes, uncompressed, follows how far a file is compressed."""

_PACKED = 8
"""So many bytes a byte of a compressed manifest stands for."""


class Drawn(NamedTuple):
    """Where lines are read.

    Attributes:
        file: the position of the file among those of the input.
        start: byte offset, uncompressed.
        stop: byte offset; None: the file to its end.
    """

    file: int
    start: int
    stop: int | None


class LinesDrawn(NamedTuple):
    """Lines of one place.

    Attributes:
        drawn: the place.
        lines: those that were read.
        stored_per_byte: what a byte of the lines takes in the file as it is stored.
        stored: bytes of the file that the lines are, as stored; None: as many as the lines have, times that.
    """

    drawn: Drawn
    lines: Iterator[ManifestLine]
    stored_per_byte: float
    stored: int | None


def is_read_whole(manifests: Sequence[Manifest]) -> bool:
    """Whether the input is so small that all of it is looked at."""
    return len(manifests) <= PLACES and uncompressed_bytes(manifests) <= PLACES * PLACE_BYTES


def uncompressed_bytes(manifests: Sequence[Manifest]) -> int:
    """About how large they are together, bytes.

    >>> uncompressed_bytes([Manifest("a.jsonl", 100), Manifest("b.jsonl.gz", 100)])
    900
    """
    return sum(each.size * (_PACKED if is_compressed(each.path) else 1) for each in manifests)


def draws(manifests: Sequence[Manifest]) -> list[Drawn]:
    """The places where lines are read: the same ones for the same files, and in an order that is spread over all.

    >>> draws([Manifest("a.jsonl", 100), Manifest("b.jsonl.gz", 100)])
    [Drawn(file=0, start=0, stop=None), Drawn(file=1, start=0, stop=None)]
    >>> some = draws([Manifest(f"{n}.jsonl", 10**9) for n in range(1000)])
    >>> len(some), len({each.file for each in some}), some[0], some[1].file
    (32, 32, Drawn(file=0, start=0, stop=4194304), 500)
    """
    if is_read_whole(manifests):
        return [Drawn(number, 0, None) for number in range(len(manifests))]
    ends = [*accumulate(each.size for each in manifests)]
    found: list[Drawn] = []
    for number in range(PLACES):
        at = number * ends[-1] // PLACES
        file = bisect_right(ends, at)
        manifest = manifests[file]
        is_first = not found or found[-1].file != file  # it shows at its beginning whether a file is a manifest
        start = 0 if is_first else at - (ends[file] - manifest.size)
        if is_compressed(manifest.path) or manifest.size <= 2 * PLACE_BYTES:
            found.append(Drawn(file, 0, None))
        else:
            found.append(Drawn(file, start, min(start + _SEARCHED_BYTES, manifest.size)))
    return [found[number] for number in sorted(range(PLACES), key=_spread)]


def lines_drawn(
    manifests: Sequence[Manifest], options: StorageOptions = NO_OPTIONS, max_line_bytes: int = _LINE_BYTES
) -> Iterator[LinesDrawn]:
    """The lines at each of the places, which have to be read before the next place is asked for.

    Of a compressed file they are the first ones, as no others can be found. A small file that is drawn twice is given
    twice.

    Raises:
        ManifestReadError: while iterating: a file cannot be read, or is compressed and not whole.
    """
    longest = min(max_line_bytes, _LINE_BYTES)
    begun: dict[int, tuple[Iterator[ManifestLine], float]] = {}  # of compressed files, whose places follow each other
    for drawn in draws(manifests):
        manifest, read = manifests[drawn.file], ReadRange((manifests[drawn.file],), drawn.start, drawn.stop)
        if is_read_whole(manifests) or (drawn.stop is None and not is_compressed(manifest.path)):
            yield LinesDrawn(drawn, lines_in(read, options, longest), 1.0, manifest.size)
        elif is_compressed(manifest.path):
            if drawn.file not in begun:
                begun[drawn.file] = lines_in(read, options, longest), stored_per_byte(manifest, options)
            lines, ratio = begun[drawn.file]
            yield LinesDrawn(drawn, _first(lines), ratio, None)
        else:
            yield LinesDrawn(drawn, _first(lines_in(read, options, longest)), 1.0, None)


class Unseen:
    """Tells the lines of a place that are in none of the places before it: a line may be longer than what is between.

    >>> unseen, line = Unseen(), ManifestLine("m.jsonl", 0, b"{}")
    >>> places = [LinesDrawn(Drawn(0, start, 9), iter([line]), 1.0, None) for start in (0, 4)]
    >>> [len([*unseen.of(place)]) for place in places]
    [1, 0]
    """

    def __init__(self) -> None:
        self._lines: set[tuple[int, int]] = set()
        self._whole: set[int] = set()
        self._met: set[int] = set()
        self._bytes = 0

    def of(self, place: LinesDrawn) -> Iterator[ManifestLine]:
        """Those lines of the place."""
        file, begin, self._bytes = place.drawn.file, -1, 0
        is_part = place.drawn.stop is not None  # else it is all of a file, or of a compressed one what follows
        if not is_part and file in self._whole:
            return
        for line in place.lines:
            if is_part:
                if (file, line.offset) in self._lines:
                    continue
                self._lines.add((file, line.offset))
            begin = line.offset if begin < 0 else begin
            self._bytes = line.offset + len(line.text) + 1 - begin  # with the blank lines between
            yield line

    def stored(self, place: LinesDrawn, size: int) -> float:
        """What they are of the file as it is stored, bytes, after they were read.

        Args:
            place: the place.
            size: bytes of the file as it is stored.
        """
        file = place.drawn.file
        is_first, is_again = file not in self._met, file in self._whole
        self._met.add(file)
        if place.stored is not None:
            self._whole.add(file)
            return 0.0 if is_again else float(place.stored)
        if is_first and not self._bytes:  # the first place of a file is its beginning: it is blank
            return float(min(place.drawn.stop or size, size))
        return self._bytes * place.stored_per_byte


def _spread(number: int) -> int:
    """The number with its bits reversed: whoever stops early has seen parts of everything."""
    return int(f"{number:0{PLACES.bit_length() - 1}b}"[::-1], 2)


def _first(lines: Iterator[ManifestLine]) -> Iterator[ManifestLine]:
    size = 0
    for line in lines:
        yield line
        size += len(line.text) + 1
        if size >= PLACE_BYTES:
            return


def stored_per_byte(manifest: Manifest, options: StorageOptions = NO_OPTIONS) -> float:
    """What a byte takes in a file as it is stored: 1, or less where it is compressed, as its beginning tells."""
    if not is_compressed(manifest.path):
        return 1.0
    size = 0
    with opened(manifest, options) as file:
        while size < _RATIO_BYTES and (data := file.read(_RATIO_BYTES)):
            size += len(data)
        return stored_position(file) / size if size else 1.0
