"""Some channels of a file, mixed and resampled while they are decoded, of which a part is held."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alm_beam.audio.reader import Samples

_ROOM = 1 << 24
"""Bytes by which what is held may be more than what has to be, so that it is moved seldom."""

_CONTEXT = 1024
"""Samples, at the lower of both rates, that a resampled one depends on, on either side, and more: HQ of soxr needs a
quarter of that for a precision of 20 bits."""

_FULL = np.float32(2.0**-15)


class Rates(NamedTuple):
    """How samples of a file are counted, and those that are asked for: Hz."""

    file: int
    asked: int

    @property
    def differ(self) -> bool:
        """Whether the file has to be resampled."""
        return self.file != self.asked

    def total(self, frames: int) -> int:
        """The number of samples that come of so many of the file.

        >>> Rates(44100, 16000).total(1000)
        363
        """
        return (2 * frames * self.asked + self.file) // (2 * self.file)

    def within(self, start: int, stop: int) -> tuple[int, int]:
        """The samples of the file in the time of the samples from `start` on and before `stop`: likewise."""
        return start * self.file // self.asked, -(-stop * self.file // self.asked)

    def needed(self, start: int, stop: int) -> tuple[int, int]:
        """The samples of the file that those samples depend on: likewise, from one on where both have a sample."""
        low, high = self.within(start, stop)
        if not self.differ:
            return low, high
        context = _CONTEXT * max(1, -(-self.file // self.asked))
        step = self.file // math.gcd(self.file, self.asked)
        return max(0, (low - context) // step * step), high + context


class Track:
    """Samples of some channels of a file, at the rate that was asked for.

    Args:
        channels: the numbers of the channels in the file.
        mono: whether their mean is taken.
        rates: of the file, and asked for.
        longest: samples at that rate that have to be held at a time.

    Attributes:
        is_on: whether it takes blocks: it has been begun, and not been ended.
        start: the number, from the beginning of the file, of the first sample that is held.
        stop: the number of the one after the last.
    """

    def __init__(self, channels: Sequence[int], mono: bool, rates: Rates, longest: int):
        self._channels = list(channels)
        self._mixes = mono and len(channels) > 1
        self._rates = rates
        self._longest = longest
        self._width = 1 if mono else len(channels)
        self._resampler: Any = None
        self._held: NDArray[Any] = np.empty((self._width, 0), np.float32)
        self._first = 0  # the place in it of the first sample that is held
        self._bad: list[NDArray[np.int64]] = []
        self.is_on = False
        self.start = self.stop = 0

    def add(self, block: Samples, position: int) -> None:
        """Takes samples of the file: [samples, channels].

        Args:
            block: of all channels of the file.
            position: the number of the first of them, from the beginning of the file. Where the track begins, a sample
                of the asked rate has to belong to it: `Rates.needed` gives such places.
        """
        if not self.is_on:
            self._begin(position, block.dtype)
        mixed = self._mixed(block)
        if mixed.dtype != np.int16:
            mixed = self._finite(mixed, position)
        self._append(self._resampler.resample_chunk(np.ascontiguousarray(mixed)) if self._resampler else mixed)

    def end(self) -> None:
        """Takes that there are no more."""
        if self._resampler and self.is_on:
            self._append(self._resampler.resample_chunk(np.empty((0, self._width), np.float32), last=True))
        self.is_on = False

    def forget(self, before: int) -> None:
        """Drops the samples before the one of that number."""
        count = min(before, self.stop) - self.start
        if count > 0:
            self._first += count
            self.start += count

    def clear(self) -> None:
        """Drops all; what it takes next may be from another place."""
        self.is_on = False
        self._resampler = None
        self._bad = []
        self.start = self.stop = 0
        self._first = 0

    def part(self, start: int, stop: int) -> Samples:
        """The samples from `start` on and before `stop`, which are held: [channels, samples], until the next call."""
        begin = self._first - self.start
        return self._held[:, begin + start : begin + stop]

    def first_bad(self, start: int, stop: int) -> int | None:
        """Of the samples of the file from `start` on and before `stop`, the number of the first that is no number.

        Those before `start` are forgotten.
        """
        self._bad = [places for places in self._bad if places[-1] >= start]
        found = [int(places[np.searchsorted(places, start)]) for places in self._bad]
        return min((place for place in found if place < stop), default=None)

    def _begin(self, position: int, kind: Any) -> None:
        self.clear()
        if self._rates.differ:
            import soxr

            self._resampler = soxr.ResampleStream(*self._rates, self._width, dtype="float32", quality="HQ")
        kind = np.dtype(np.float32) if self._mixes or self._rates.differ else kind
        if self._held.dtype != kind:
            self._held = np.empty((self._width, 0), kind)
        self.start = self.stop = self._rates.total(position)
        self.is_on = True

    def _mixed(self, block: Samples) -> Samples:
        """[samples, channels]: those of the track, before they are resampled."""
        if not self._mixes and not self._rates.differ:
            is_all = self._channels == list(range(block.shape[1]))
            return block if is_all else block[:, self._channels]
        picked: NDArray[np.float32] = block[:, self._channels].astype(np.float32)
        if block.dtype == np.int16:
            picked *= _FULL
        if not self._mixes:
            return picked
        total: NDArray[np.float32] = picked[:, 0].copy()
        for channel in range(1, picked.shape[1]):
            total += picked[:, channel]
        total /= np.float32(picked.shape[1])
        return total[:, None]

    def _finite(self, samples: Any, position: int) -> Any:
        """The samples with 0 for those that are no numbers, as a resampler would spread them; these are remembered."""
        if len(samples) == 0 or (np.isfinite(samples.max()) and np.isfinite(samples.min())):
            return samples
        self._bad.append(position + np.flatnonzero(~np.isfinite(samples).all(axis=1)))
        return np.where(np.isfinite(samples), samples, np.float32(0))

    def _append(self, samples: Samples) -> None:
        held = self.stop - self.start
        end = self._first + held
        if end + len(samples) > self._held.shape[1]:
            self._move(held, len(samples))
            end = held
        self._held[:, end : end + len(samples)] = samples.T
        self.stop += len(samples)

    def _move(self, held: int, more: int) -> None:
        """Moves what is held to the beginning, of a larger array if need be."""
        kept = self._held[:, self._first : self._first + held]
        if held + more > self._held.shape[1]:
            room = min(self._longest, _ROOM // (self._held.itemsize * self._width)) + more
            larger = np.empty((self._width, max(held + more, self._longest + room)), self._held.dtype)
            larger[:, :held] = kept
            self._held = larger
        else:
            self._held[:, :held] = kept.copy() if self._first < held else kept
        self._first = 0
