"""The encoded audio of windows of remote shards, fetched before it is asked for."""

import os
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from typing import NamedTuple

from orjson import loads

from alm_beam.core.audio_member import AudioMember
from alm_beam.loader.audio import FolderAudio

HELD_BYTES = 64 << 20
"""As much encoded audio is held at most, half of it to be used next and half of it on its way; or two windows."""

_FIRST_WINDOWS = 4
_GROWTH = 4


class _Batch(NamedTuple):
    """Windows whose audio is fetched at the same time: what comes of each, by its place in the block."""

    stop: int
    pieces: Future[dict[int, bytes]]


class AudioAhead:
    """The encoded audio of a block of windows, for who takes it in the order of the block.

    A batch of windows is fetched while the one before it is used. A batch has few windows at first, and later as many
    as half of `HELD_BYTES` holds. Where windows that stand near one another come together, a batch holds all of these,
    if that is not too much: then their audio takes few requests.
    """

    def __init__(
        self,
        folders: Sequence[FolderAudio],
        sources: Sequence[int],
        lines: Sequence[bytes],
        executor: Executor,
        *,
        together: int = 1,
        read: int = 0,
    ):
        """
        Args:
            folders: of each source.
            sources: of each window of the block.
            lines: of each window, its cut.
            executor: its threads fetch.
            together: so many windows of a pass stand near one another, and then the next so many.
            read: windows of the pass before those of the block.
        """
        self._folders, self._sources, self._lines, self._executor = folders, sources, lines, executor
        self._pid = os.getpid()
        self._together, self._read = together, read
        self._limit = max(_FIRST_WINDOWS, together - read % together)
        self._held: dict[int, bytes] = {}
        self._held_stop = 0
        self._coming: _Batch | None = None

    def take(self, at: int) -> bytes | None:
        """The encoded audio of a window, once; None where it was not fetched, or did not come.

        Args:
            at: its place in the block; not before that of the call before.
        """
        if self._pid != os.getpid():  # a fork does not take the threads along
            return None
        if at >= self._held_stop:
            stop, pieces = self._coming or self._begun(at)
            self._held, self._held_stop = pieces.result(), stop
            self._coming = self._begun(stop) if stop < len(self._lines) else None
        return self._held.pop(at, None)

    def _begun(self, first: int) -> _Batch:
        """Begins to fetch the audio of the windows from `first` on."""
        members: dict[int, AudioMember] = {}
        held, at = 0, first
        while at < len(self._lines) and at - first < self._limit:
            member = _member(self._lines[at]) if self._folders[self._sources[at]].is_remote else None
            if member is not None:
                held += member.bytes
                if members and held > HELD_BYTES // 2:
                    break
                members[at] = member
            at += 1
        self._limit *= _GROWTH
        whole = at - (self._read + at) % self._together
        if first < whole < at:
            at = whole
            members = {place: member for place, member in members.items() if place < at}
        return _Batch(at, self._executor.submit(self._fetched, members))

    def _fetched(self, members: dict[int, AudioMember]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for number in {self._sources[at] for at in members}:
            here = [at for at in members if self._sources[at] == number]
            try:
                pieces = self._folders[number].fetched([members[at] for at in here])
            except OSError:  # each window is then read by itself, which says what is wrong
                continue
            found.update({at: piece for at, piece in zip(here, pieces) if isinstance(piece, bytes)})
        return found


def _member(line: bytes) -> AudioMember | None:
    """What is to be fetched; None where nothing is, as for a row, or where what is wrong shows when it is read."""
    try:
        cut = loads(line)
        member = AudioMember.of(cut) if type(cut) is dict else None
    except ValueError:
        return None
    return None if member is None or member.is_row else member
