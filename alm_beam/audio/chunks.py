"""Audio in chunks, each with its size: WAV, AIFF, Wave64, CAF, and AU, which has one."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from alm_beam.audio.faults import audio_fault
from alm_beam.audio.kinds import AudioKind
from alm_beam.audio.source import Source
from alm_beam.core.faults import BadEntry, RejectReason


class _Layout(NamedTuple):
    """How the chunks of a kind of file stand in it.

    Attributes:
        first: where the first one begins.
        id_bytes: of its name.
        size: how its size is written, as of `struct`.
        counts_itself: whether the size is also of the chunk's own name and size.
        align: chunks begin at multiples of so many bytes.
        data: the name of the one with the samples.
    """

    first: int
    id_bytes: int
    size: str
    counts_itself: bool
    align: int
    data: bytes


LAYOUTS = {
    AudioKind.WAV: _Layout(12, 4, "<I", False, 2, b"data"),
    AudioKind.RF64: _Layout(12, 4, "<I", False, 2, b"data"),
    AudioKind.AIFF: _Layout(12, 4, ">I", False, 2, b"SSND"),
    AudioKind.W64: _Layout(40, 16, "<q", True, 8, b"data"),
    AudioKind.CAF: _Layout(8, 4, ">q", False, 1, b"data"),
    AudioKind.AU: _Layout(0, 4, ">I", False, 1, b".snd"),
}

_MOST_CHUNKS = 10_000
_UNKNOWN = (range(0x7FFFF000, 0x80000001), range(0xFFFFF000, 0x100000000))
"""What writers put for a size that they do not know: the most that 31 or 32 bits hold, less headers."""

_LEFT_OPEN = 0


class _Chunk(NamedTuple):
    """A chunk: its name, where its size is written, where its content begins, how many bytes that has."""

    name: bytes
    size_at: int
    begin: int
    size: int


def check(source: Source, kind: AudioKind) -> None:
    """Checks that the samples which the header states are there; amends a size that its writer did not know.

    Raises:
        BadEntry: the file ends before its samples do, or has none.
        OSError: its store fails.
    """
    layout = LAYOUTS[kind]
    data = _au_data(source) if kind is AudioKind.AU else _data_chunk(source, layout)
    if data is None:
        return  # the library says what is wrong
    present = source.size - data.begin
    if data.size < 0 or (data.size != _LEFT_OPEN and _is_unknown(kind, data.size, present)):
        return
    if data.size == _LEFT_OPEN:
        if present <= 0 or _ends_in_chunks(source, layout, data.begin):
            raise audio_fault(RejectReason.AUDIO_EMPTY, source.url, "has no samples")
        if kind is AudioKind.WAV:
            source.amend(data.size_at, struct.pack("<I", min(present, 0xFFFFFFFF)))
        return
    if data.size > present:
        raise _truncated(source, data.size, present)


def _is_unknown(kind: AudioKind, size: int, present: int) -> bool:
    is_open = kind in (AudioKind.WAV, AudioKind.AU) and any(size in sizes for sizes in _UNKNOWN)
    return is_open and size > present


def _truncated(source: Source, stated: int, present: int) -> BadEntry:
    what = f"is cut off: its header states {stated:,} bytes of samples, and {max(0, present):,} are there"
    return audio_fault(RejectReason.AUDIO_TRUNCATED, source.url, what)


def _data_chunk(source: Source, layout: _Layout) -> _Chunk | None:
    """The chunk with the samples; of RF64 with its size of 64 bit."""
    large = None
    for chunk in _chunks(source, layout, layout.first):
        if chunk.name == b"ds64":
            large = struct.unpack("<Q", source.at(chunk.begin + 8, 8).ljust(8, b"\0"))[0]
        if chunk.name[:4] == layout.data:
            return chunk._replace(size=large) if large is not None and chunk.size == 0xFFFFFFFF else chunk
    return None


def _chunks(source: Source, layout: _Layout, position: int) -> Iterator[_Chunk]:
    size_bytes = struct.calcsize(layout.size)
    head = layout.id_bytes + size_bytes
    for _ in range(_MOST_CHUNKS):
        data = source.at(position, head)
        if len(data) < head:
            return
        size = struct.unpack(layout.size, data[layout.id_bytes :])[0]
        if layout.counts_itself:
            size -= head
        yield _Chunk(data[: layout.id_bytes], position + layout.id_bytes, position + head, size)
        if size < 0:
            return
        position += head + size
        position += -position % layout.align


def _ends_in_chunks(source: Source, layout: _Layout, position: int) -> bool:
    """Whether what follows, to the end of the file, is chunks, rather than samples."""
    for chunk in _chunks(source, layout, position):
        if not chunk.name.isalnum() and b" " not in chunk.name:
            return False
        if chunk.begin + chunk.size >= source.size - 1:
            return chunk.begin + chunk.size <= source.size
    return False


def _au_data(source: Source) -> _Chunk | None:
    head = source.at(0, 12)
    if len(head) < 12:
        return None
    begin, size = struct.unpack(">II", head[4:])
    return _Chunk(b".snd", 8, begin, size)
