"""The audio of windows: from shards by one read of its bytes, from plain cuts by seeking in the recording."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alm_beam.audio.encode import decoded
from alm_beam.audio.parquet_rows import AudioRows, rows_with
from alm_beam.audio.slices import Slice, Span, slices
from alm_beam.core.audio_member import AudioMember
from alm_beam.core.cut_audio import CutAudio, cut_audio
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.shards_config import SliceConfig
from alm_beam.core.text import visible
from alm_beam.loader.reader import WindowError
from alm_beam.storage.audio_files import audio_url
from alm_beam.storage.byte_ranges import joined_ranges, read_ranges
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.index.format import key_of
from alm_beam.storage.paths import errors_that_name, info_of, is_local, located
from alm_beam.storage.secrets import shown

_PAD_SECONDS = SliceConfig().pad
"""A window whose audio ends early by less is padded with silence, as it is in shards."""

_AGAIN = "fetch the folder again, or make the shards again: alm-beam shards --overwrite"


class Audio(NamedTuple):
    """The audio of a window.

    Attributes:
        samples: float32 [channels, samples]; full scale is 1.
        sample_rate: Hz.

    >>> audio = Audio(np.zeros((1, 8000), np.float32), 16000)
    >>> audio.samples.shape[1] / audio.sample_rate
    0.5
    """

    samples: NDArray[np.float32]
    sample_rate: int


class FolderAudio:
    """The audio of the windows of a folder of cuts. It may be pickled, and be used on both sides of a fork.

    No file stays open. Of parquet, the audio of one row group is held.

    Attributes:
        is_remote: whether the folder is reached over a network.
    """

    def __init__(self, url: str, options: StorageOptions = NO_OPTIONS, audio_root: str | None = None):
        """
        Args:
            url: the folder; a path or any fsspec URL.
            options: fsspec's, by protocol.
            audio_root: folder that relative paths of audio files are below, a path or any fsspec URL; None: the folder
                of the cuts, or else the working directory.
        """
        self._url, self._options, self._root = url, options, audio_root
        self._place, self._pid = located(url, options), os.getpid()
        self._rows: tuple[str, AudioRows] | None = None
        self.is_remote = not is_local(self._place.fs)

    def __reduce__(self) -> tuple[type["FolderAudio"], tuple[str, StorageOptions, str | None]]:
        return FolderAudio, (self._url, self._options, self._root)

    def of(self, window: Mapping[str, Any], data: bytes | None = None) -> Audio:
        """The audio of a window of the folder.

        Args:
            window: the fields of its cut.
            data: its encoded audio, if that was fetched already.

        Raises:
            WindowError: there is no such audio, or it is damaged. The message names the file, the window, what to do.
            OSError: it cannot be read. The message names the file.
            ImportError: a package that reads it is not installed.
        """
        name = visible(repr(window.get("id")))
        try:
            member = AudioMember.of(window)
            if member is None:
                return self._sliced(cut_audio(dict(window)))
        except BadEntry as fault:
            raise WindowError(f"window {name}: {fault.detail}") from None
        except ValueError as fault:
            raise WindowError(f"window {name}: {visible(str(fault))}; {_AGAIN}") from None
        if data is None or not _is_whole(data, member):  # what was fetched may be wrong, and right by now
            data = self._data(member, name)
            if not _is_whole(data, member):
                what = "is not what was written there (it has another digest): the file was changed or damaged"
                raise self._error(member, name, what)
        try:
            return Audio(*decoded(data))
        except BadEntry as fault:
            raise self._error(member, name, f"cannot be decoded ({fault.detail})") from None

    def fetched(self, members: Sequence[AudioMember]) -> list[bytes | BaseException]:
        """The encoded audio of several windows of a remote folder, at the same time; or what kept it from coming.

        Windows that are near one another share a request.
        """
        self._be_of_this_process()
        files = sorted({each.file for each in members})
        in_order = sorted((files.index(each.file), each.offset, each.bytes, at) for at, each in enumerate(members))
        joined = joined_ranges(
            [file for file, _, _, _ in in_order],
            [start for _, start, _, _ in in_order],
            [start + size for _, start, size, _ in in_order],
        )
        with errors_that_name(self._url):
            pieces = read_ranges(
                self._place.fs,
                [f"{self._place.path}/{files[file]}" for file, _, _ in joined],
                [start for _, start, _ in joined],
                [end for _, _, end in joined],
                on_error="return",
            )
        found: list[bytes | BaseException] = [b""] * len(members)
        of = 0
        for file, start, size, at in in_order:
            while not (joined[of][0] == file and joined[of][1] <= start and start + size <= joined[of][2]):
                of += 1
            piece, first = pieces[of], start - joined[of][1]
            found[at] = piece if isinstance(piece, BaseException) else piece[first : first + size]
        return found

    def _data(self, member: AudioMember, name: str) -> bytes:
        """The encoded audio, as many bytes as are stated."""
        path = f"{self._place.path}/{member.file}"
        try:
            if member.is_row:
                return self._row(member, path, name)
            with errors_that_name(self._place.url(path)):
                data = self._fetched(member, path) if self.is_remote else _read(path, member)
                size = member.bytes if len(data) == member.bytes else (info_of(self._place.fs, path) or {}).get("size")
        except FileNotFoundError:
            raise self._error(member, name, "is missing: there is no such file") from None
        if len(data) != member.bytes:
            raise self._error(member, name, f"is not all there: the file is cut off, and has {size} bytes")
        return data

    def _be_of_this_process(self) -> None:
        """A filesystem of another process has its sockets, but not its threads."""
        if self._pid != os.getpid():
            self._place, self._pid = located(self._url, self._options), os.getpid()

    def _row(self, member: AudioMember, path: str, name: str) -> bytes:
        """The audio of a row of parquet. What is held is not taken for it if the row is another by now."""
        held = _of(self._rows, path, member.offset)
        if held is not None and _is_whole(held, member):
            return held
        self._rows = None  # before others are read
        self._be_of_this_process()
        with errors_that_name(self._place.url(path)), self._place.fs.open(path, "rb") as file:
            found = _rows_or_fault(member.offset, file)
        if isinstance(found, ImportError):
            raise found
        if isinstance(found, ValueError):
            raise self._error(member, name, f"cannot be read ({visible(str(found))})")
        self._rows = path, found
        return found.audio[member.offset - found.first]

    def _fetched(self, member: AudioMember, path: str) -> bytes:
        [piece] = self.fetched([member])
        if not isinstance(piece, BaseException):
            return piece
        if not isinstance(piece, FileNotFoundError):
            size = (info_of(self._place.fs, path) or {}).get("size")
            if size is not None and size < member.offset + member.bytes:
                return b""  # a store may refuse a range that is not all there
        raise piece

    def _error(self, member: AudioMember, name: str, what: str) -> WindowError:
        where = visible(shown(self._place.url(f"{self._place.path}/{member.file}")))
        begin = f"of row {member.offset}" if member.is_row else f"from byte {member.offset} on"
        return WindowError(f"{where}: the audio of window {name}, {member.bytes} bytes {begin}, {what}; {_AGAIN}")

    def _sliced(self, cut: CutAudio) -> Audio:
        """The audio of a plain cut: its channels, from each of the files that have some of them."""
        rows: dict[int, NDArray[np.float32]] = {}
        rates: dict[int, str] = {}
        for file in cut.files:
            places = {channel: place for place, channel in enumerate(file.channels) if channel in cut.channels}
            part = self._slice(file.path, Span(cut.start, cut.duration, tuple(sorted(places.values()))))
            if max(places.values()) >= part.file_channels:
                has = f"{part.file_channels} of the {len(file.channels)} channels that are stated"
                raise BadEntry(RejectReason.NOT_A_CUT, visible(f"{shown(file.path)} has {has}"))
            rates.setdefault(part.sample_rate, file.path)
            rows.update(zip(sorted(places, key=places.__getitem__), part.samples))
        if len(rates) > 1:
            text = " and ".join(f"{shown(path)} has {rate} Hz" for rate, path in rates.items())
            raise BadEntry(RejectReason.NOT_A_CUT, visible(f"{text}; the files of a recording need one sample rate"))
        [rate] = rates
        return Audio(np.stack([rows[channel] for channel in cut.channels]), rate)

    def _slice(self, path: str, span: Span) -> Slice:
        """A part of a file that a cut names by its path."""
        root = self._place.url(self._place.path) if self._root is None else self._root
        found = _slice_of(audio_url(path, root), self._options, span)
        is_elsewhere = isinstance(found, BadEntry) and found.reason is RejectReason.AUDIO_MISSING
        if is_elsewhere and self._root is None and audio_url(path, root) != path and os.path.exists(path):
            found = _slice_of(path, self._options, span)  # from the working directory
        if isinstance(found, BadEntry):
            raise found
        return found


def _slice_of(url: str, options: StorageOptions, span: Span) -> Slice | BadEntry:
    [found] = slices(url, [span], options, mono=False, pad=_PAD_SECONDS)
    return found


def _of(rows: tuple[str, AudioRows] | None, path: str, row: int) -> bytes | None:
    """The audio of a row of a file, if it is among these rows: those held, which another thread may replace."""
    return rows[1].of(row) if rows and rows[0] == path else None


def _rows_or_fault(row: int, file: BinaryIO) -> AudioRows | ValueError | ImportError:
    """The rows, or what is wrong other than that the file fails."""
    try:
        return rows_with(row, file, "parquet")
    except (ValueError, ImportError) as fault:
        return fault


def _is_whole(data: bytes, member: AudioMember) -> bool:
    return len(data) == member.bytes and key_of(data).hex() == member.digest


def _read(path: str, member: AudioMember) -> bytes:
    """The bytes of a member of a local file; none where the file ends before they do."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size < member.offset + member.bytes:
            return b""
        file.seek(member.offset)
        return file.read(member.bytes)
