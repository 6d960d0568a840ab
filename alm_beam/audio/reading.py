"""One pass over an audio file, forwards, which holds what windows need, and no more."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from alm_beam.audio.reader import AudioReader, Damage, Samples
from alm_beam.audio.tracks import Rates, Track
from alm_beam.core.faults import BadEntry, RejectReason

_BLOCK_VALUES = 1 << 19
"""Samples of all channels that are decoded at a time: 2 MiB at most. A quarter of it takes 2 % longer with FLAC."""

_GAP_SECONDS = 5
"""So much or more between two windows is passed over by seeking, where that gives the same samples."""

Blocks = Callable[[int, int, int | None], Iterator[Samples]]


class Window(NamedTuple):
    """A part of an audio file.

    Attributes:
        start: the number of its first sample, at the rate that is asked for, from the beginning of the file.
        stop: that of the one after the last.
        channels: numbers of channels, which the file has.
    """

    start: int
    stop: int
    channels: tuple[int, ...]


def block_frames(audio: AudioReader) -> int:
    """Samples per channel that are decoded at a time."""
    return max(1, _BLOCK_VALUES // audio.channels)


class Reading:
    """Reads a file for windows whose starts do not descend.

    Args:
        audio: the file.
        blocks: the method of it that gives samples.
        windows: all that will be asked for, in that order.
        rates: of the file, and asked for.
        mono: whether the mean of a window's channels is taken.
        damages: parts that no window needs, and that are not to be decoded.
        limit: the number of the sample of the file before which to stop; None: the end.

    Attributes:
        position: samples of the file that have been decoded, or passed over.
        is_over: whether the file has ended.
        cut_off: its fault if it has ended before its header says.
    """

    def __init__(
        self,
        audio: AudioReader,
        blocks: Blocks,
        windows: Sequence[Window],
        rates: Rates,
        mono: bool,
        *,
        damages: Sequence[Damage] = (),
        limit: int | None = None,
    ):
        self._audio = audio
        self._source = blocks
        self._rates = rates
        self._damages = damages
        self._limit = limit
        self._blocks: Iterator[Samples] | None = None
        self._coming: dict[tuple[int, ...], deque[Window]] = {}
        for window in windows:
            self._coming.setdefault(window.channels, deque()).append(window)
        self._tracks = {
            channels: Track(channels, mono, rates, max(window.stop - window.start for window in coming))
            for channels, coming in self._coming.items()
        }
        self.position = 0
        self.is_over = False
        self.cut_off: BadEntry | None = None

    def reach(self, window: Window) -> Track:
        """The track of the window, which holds all of it, or, if the file has ended, what there is.

        Raises:
            BadEntry: the file is damaged in the block that begins at `position`. Nothing can be read after that.
            OSError: its store fails.
        """
        track = self._tracks[window.channels]
        first, _ = self._rates.needed(window.start, window.stop)
        if self._blocks is None or self._is_far(first):
            self._begin(first)
        while track.stop < window.stop and not self.is_over:
            self._read_block()
        return track

    def leave(self, window: Window) -> None:
        """Drops what no window that is still to come needs."""
        track, coming = self._tracks[window.channels], self._coming[window.channels]
        coming.popleft()
        if not coming or self._first_needed(coming[0]) >= self.position:
            track.clear()
        else:
            track.forget(coming[0].start)

    def _is_far(self, first: int) -> bool:
        if any(self.position < damage.stop <= first for damage in self._damages):
            return True
        gap = first - self.position
        return self._audio.seeks_exactly and gap > _GAP_SECONDS * self._rates.file

    def _begin(self, first: int) -> None:
        for track in self._tracks.values():
            track.clear()
        stops = [damage.start for damage in self._damages if damage.start >= first]
        if self._limit is not None:
            stops.append(self._limit)
        self._blocks = self._source(block_frames(self._audio), first, min(stops, default=None))
        self.position = first
        self.is_over = False

    def _read_block(self) -> None:
        assert self._blocks is not None
        try:
            block = next(self._blocks, None)
        except BadEntry as fault:
            if fault.reason is not RejectReason.AUDIO_TRUNCATED:
                raise
            self.cut_off = fault
            block = None
        if block is None:
            self.is_over = True
            for track in self._tracks.values():
                track.end()
            return
        stop = self.position + len(block)
        for channels, coming in self._coming.items():
            track = self._tracks[channels]
            if track.is_on:
                track.add(block, self.position)
            elif coming and (first := self._first_needed(coming[0])) < stop:
                track.add(block[first - self.position :], first)
        self.position = stop

    def _first_needed(self, window: Window) -> int:
        return self._rates.needed(window.start, window.stop)[0]
