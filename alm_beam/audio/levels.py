"""How loud segments are, from audio that comes in blocks."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alm_beam.audio.spans import SampleSpan, sample_spans

FULL_SCALE = 32767 / 32768
"""The largest sample of 16 bit; one that is at least as large counts as clipped."""

Block = NDArray[np.float32]


class Levels(NamedTuple):
    """How loud audio is, over all samples of all channels.

    Attributes:
        rms: dBFS, of the root of the mean square (a full square wave has 0, a full sine -3.01); None: all are 0.
        peak: dBFS, of the largest absolute value of any channel; above 0 in floating-point audio that exceeds full
            scale; None: all are 0.
        clipped: the share of samples that are at or above full scale, 0 to 1. Full scale is 32767/32768, the
            largest sample of 16 bit.
    """

    rms: float | None
    peak: float | None
    clipped: float


class LevelMeter:
    """Measures the levels of spans of one recording, whose blocks are added in order.

    Args:
        rate: samples per second.
        spans: (start, end) in seconds, in any order; they may overlap.

    Raises:
        ValueError: a time of a span is not a number.

    >>> meter = LevelMeter(8000, [(0.0, 0.5), (1.0, 2.0)])
    >>> meter.add(np.full((8000, 2), 0.5, np.float32))
    >>> meter.levels()
    [Levels(rms=-6.020599913279624, peak=-6.020599913279624, clipped=0.0), None]
    """

    def __init__(self, rate: int, spans: Sequence[tuple[float, float]]):
        self._spans = sample_spans(spans, rate)
        some = {span for span in self._spans if span.stop > span.start}
        self._coming = [_Sums(span) for span in sorted(some, reverse=True)]
        self._active: list[_Sums] = []
        self._found: dict[SampleSpan, Levels] = {}
        self._end = 0

    def add(self, block: Block) -> None:
        """Takes the samples that follow: float32 [samples, channels]."""
        first = self._end
        self._end += len(block)
        while self._coming and self._coming[-1].span.start < self._end:
            self._active.append(self._coming.pop())
        for sums in self._active:
            sums.add(block[max(0, sums.span.start - first) : sums.span.stop - first])
            if sums.span.stop <= self._end:
                self._found[sums.span] = sums.levels()
        self._active = [sums for sums in self._active if sums.span.stop > self._end]

    def levels(self) -> list[Levels | None]:
        """In the order of the spans; of one that ends behind the audio, as far as there is audio; None: no audio."""
        self._found.update((sums.span, sums.levels()) for sums in self._active)
        self._active = []
        return [self._found.get(span) for span in self._spans]


class _Sums:
    def __init__(self, span: SampleSpan):
        self.span = span
        self._count = 0
        self._squares = 0.0
        self._peak = 0.0
        self._clipped = 0

    def add(self, part: Block) -> None:
        values = part.reshape(-1)
        peak = max(float(values.max()), -float(values.min()))
        self._count += len(values)
        self._squares += float(np.einsum("i,i", values, values, dtype=np.float64))
        self._peak = max(self._peak, peak)
        if peak >= FULL_SCALE:
            self._clipped += int(np.count_nonzero(np.abs(values) >= FULL_SCALE))

    def levels(self) -> Levels:
        clipped = self._clipped / self._count
        if not self._peak:
            return Levels(None, None, clipped)
        return Levels(10 * math.log10(self._squares / self._count), 20 * math.log10(self._peak), clipped)
