"""The bandwidth of segments, as NeMo Curator measures it, from audio that comes in blocks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alm_beam.audio.spans import SampleSpan, sample_spans

FFT_SIZE = 512
HOP_SECONDS = 0.01
THRESHOLD_DB = 50.0
LEAST_POWER = 1e-10

_HALF = FFT_SIZE // 2
_FRAMES_AT_ONCE = 128
"""Their windows and spectra fit into a core's cache."""

Samples = NDArray[np.float32]


def _blackman_harris() -> Samples:
    turns = 2 * np.pi * np.arange(FFT_SIZE) / FFT_SIZE
    window = 0.35875 - 0.48829 * np.cos(turns) + 0.14128 * np.cos(2 * turns) - 0.01168 * np.cos(3 * turns)
    return window.astype(np.float32)


_WINDOW = _blackman_harris()


class BandwidthMeter:
    """Measures the bandwidth of spans of one recording, whose samples are added in order.

    Of a span's samples alone, with zeros before and after them: frames of 512 samples, centred on each 10 ms from its
    first sample on, in a Blackman-Harris window; their mean power spectrum; in it the highest bin that is less than
    50 dB below the strongest. That is what NeMo Curator's `BandwidthEstimationStage` computes with librosa. Sums are
    float64 where librosa's are float32. Memory depends on the number of spans and the length of a block alone.

    Args:
        rate: samples per second.
        spans: (start, end) in seconds, in any order; they may overlap.

    Raises:
        ValueError: a time of a span is not a number.

    >>> meter = BandwidthMeter(16000, [(0.0, 1.0), (2.0, 3.0)])
    >>> meter.add(np.sin(np.arange(16000, dtype=np.float32)))
    >>> meter.bandwidths()
    [3187, None]
    """

    def __init__(self, rate: int, spans: Sequence[tuple[float, float]]):
        self._rate = rate
        self._hop = int(rate * HOP_SECONDS)
        self._spans = sample_spans(spans, rate)
        some = {span for span in self._spans if span.stop > span.start and self._hop}
        self._coming = sorted(some, reverse=True)
        self._active: list[_Spectrum] = []
        self._found: dict[SampleSpan, int | None] = {}
        self._tail = np.zeros(0, np.float32)
        self._end = 0

    def add(self, samples: Samples) -> None:
        """Takes the samples that follow, the mean of all channels: float32 [samples]."""
        first = self._end - len(self._tail)
        self._end += len(samples)
        while self._coming and self._coming[-1].start < self._end:
            self._active.append(_Spectrum(self._coming.pop(), self._hop))
        known = np.concatenate((self._tail, samples)) if self._active else samples
        for spectrum in self._active:
            spectrum.add(known, first, self._end)
            if spectrum.span.stop <= self._end:
                self._found[spectrum.span] = self._bandwidth(spectrum)
        self._active = [spectrum for spectrum in self._active if spectrum.span.stop > self._end]
        self._tail = known[max(0, len(known) - FFT_SIZE) :].copy()

    def bandwidths(self) -> list[int | None]:
        """Hz, in the order of the spans; of one that ends behind the audio, as far as there is audio.

        None where a span has no samples, where all of them are 0, and below a rate of 100 Hz. (Curator has no value
        where there are no samples, and half of the rate where all are 0.)
        """
        for spectrum in self._active:
            spectrum.end(self._tail, self._end - len(self._tail), self._end)
            self._found[spectrum.span] = self._bandwidth(spectrum)
        self._active = []
        return [self._found.get(span) for span in self._spans]

    def _bandwidth(self, spectrum: "_Spectrum") -> int | None:
        power = spectrum.mean_power()
        if not power.any():
            return None
        decibels = 10 * np.log10(np.maximum(power, LEAST_POWER))
        highest = np.flatnonzero(decibels - decibels.max() > -THRESHOLD_DB)[-1]
        return int(highest * (self._rate / FFT_SIZE))


class _Spectrum:
    """The power of a span's frames, summed up as its samples come."""

    def __init__(self, span: SampleSpan, hop: int):
        self.span = span
        self._hop = hop
        self._frames = 0
        self._power = np.zeros(2 * (_HALF + 1))  # of the real and of the imaginary part of each bin

    def add(self, known: Samples, first: int, end: int) -> None:
        """Takes the frames that are whole by now; all that are left if the span is.

        Args:
            known: samples of the recording; float32 [end - first], with at least 512 before those that are new.
            first: the place of the first of them in the recording.
            end: the place behind the last of them.
        """
        if self.span.stop <= end:
            self._take(self._count(self.span.stop), known, first, self.span.stop)
        else:
            self._take((end - self.span.start - _HALF) // self._hop + 1, known, first, end)

    def end(self, known: Samples, first: int, end: int) -> None:
        """Takes the frames that are left of a span in which the recording ends."""
        self._take(self._count(end), known, first, end)

    def mean_power(self) -> NDArray[np.float64]:
        """Of each bin, over the frames: float64 [257]."""
        power: NDArray[np.float64] = self._power.reshape(-1, 2).sum(axis=1) / self._frames
        return power

    def _count(self, stop: int) -> int:
        return 1 + (stop - self.span.start) // self._hop

    def _take(self, frames: int, known: Samples, first: int, stop: int) -> None:
        """Adds the power of all frames up to so many; what they hold of the time behind `stop` is 0."""
        count = frames - self._frames
        if count <= 0:
            return
        start = self.span.start
        low = start - _HALF + self._frames * self._hop
        high = low + FFT_SIZE + (count - 1) * self._hop
        if start <= low and high <= stop:
            part = known[low - first : high - first]
        else:
            part = np.zeros(high - low, np.float32)
            begin, end = max(low, start), min(high, stop)
            part[begin - low : end - low] = known[begin - first : end - first]
        self._frames = frames
        self._power += _summed_power(part, count, self._hop)


def _summed_power(samples: Samples, count: int, hop: int) -> NDArray[np.float64]:
    """The power of so many frames, a hop apart: float64 [514], of the real and imaginary part of each bin by turns."""
    step = samples.strides[0]
    frames = np.ndarray((count, FFT_SIZE), np.float32, samples, 0, (hop * step, step))  # views, which overlap
    total = np.zeros(2 * (_HALF + 1))
    for begin in range(0, count, _FRAMES_AT_ONCE):
        spectra = np.fft.rfft(frames[begin : begin + _FRAMES_AT_ONCE] * _WINDOW)
        parts = spectra.view(spectra.real.dtype)
        total += np.einsum("ij,ij->j", parts, parts)
    return total
