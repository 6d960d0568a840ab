"""Windows of audio files, sliced: each file is decoded once, however much its windows overlap."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alm_beam.audio.faults import audio_fault
from alm_beam.audio.open import opened_audio
from alm_beam.audio.reader import AudioReader, Damage, Samples
from alm_beam.audio.reading import Blocks, Reading, Window, block_frames
from alm_beam.audio.spans import counted_samples
from alm_beam.audio.tracks import Rates, Track
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions

_ROUNDING = 1
"""Start and duration are rounded, each by itself; so a window that ends with its audio may need a sample more."""

_FULL = np.float32(2.0**-15)


class Span(NamedTuple):
    """A part of an audio file.

    Attributes:
        start: seconds from the beginning of the file.
        duration: seconds, above 0.
        channels: numbers of channels in the file, from 0, ascending.
    """

    start: float
    duration: float
    channels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """The audio of a span.

    Attributes:
        values: [channels, samples], valid until the next slice is asked for: int16 where the file has integers of 16
            bits at most and they were neither mixed nor resampled, else float32, of which full scale is 1.
        sample_rate: Hz.
        bits: 24 where the file has integers of more than 16 bits, else 16: what lossless formats need to hold.
        padded: samples of silence that were added at the end.
        file_rate: Hz, of the file.
        file_channels: how many the file has.
    """

    values: Samples
    sample_rate: int
    bits: int
    padded: int
    file_rate: int
    file_channels: int

    @property
    def samples(self) -> NDArray[np.float32]:
        """The values as float32 [channels, samples], C-contiguous, valid for as long; full scale is 1."""
        if self.values.dtype == np.int16:
            samples: NDArray[np.float32] = self.values.astype(np.float32, order="C")
            samples *= _FULL
            return samples
        return np.ascontiguousarray(self.values, np.float32)


def slices(
    url: str,
    spans: Sequence[Span],
    options: StorageOptions = NO_OPTIONS,
    *,
    sample_rate: int = 0,
    mono: bool = True,
    pad: float = 0.0,
) -> Iterator[Slice | BadEntry]:
    """The audio of spans of a file, or what is wrong with it, in the order of the spans.

    Of each span there are duration * rate samples, from sample start * rate on, both rounded half up, as Lhotse counts.
    Without another rate they are those of the file, bit for bit; with one, those that the whole file has when it is
    resampled at once, however many spans are asked for.

    The file is decoded once as long as the spans' starts do not descend: gaps are passed over by seeking, where that
    gives the same samples. At a start that is before the one before it, decoding begins again. What has to be held is
    about as long as the longest span, once for each selection of channels that overlaps others.

    Args:
        url: a local path, or any URL of fsspec's.
        spans: in any order, best by their starts; they may overlap.
        options: fsspec's, by protocol.
        sample_rate: Hz, of the slices; 0: that of the file.
        mono: whether the mean of a span's channels is taken. Channels that the file does not have are left out.
        pad: a span that ends after the audio by less than so many seconds is padded with silence.

    Yields:
        For each span a slice, or the fault for which there is none: of the file (missing, empty, no audio), or of the
        part that the span needs (cut off, damaged, too short, not numbers), which is no matter to the other spans.

    Raises:
        OSError: the file's store fails, which says nothing of the file.

    >>> import soundfile
    >>> soundfile.write("tone.wav", np.sin(np.arange(32000)), 16000)
    >>> found = slices("tone.wav", [Span(0.0, 1.5, (0,)), Span(1.0, 1.0, (0,)), Span(1.5, 9.0, (0,))])
    >>> [each.samples.shape if isinstance(each, Slice) else each.reason.value for each in found]
    [(1, 24000), (1, 16000), 'audio_too_short']
    """
    slicer = _Slicer(url, options, sample_rate, mono, pad)
    with slicer.stack:
        try:
            slicer.open()
            slicer.damages = slicer.audio.damages()
        except BadEntry as fault:
            yield from (fault for _ in spans)
            return
        windows = [slicer.window(span) for span in spans]
        begin = 0
        while begin < len(windows):
            end = _end_of_pass(windows, begin)
            yield from slicer.of_one_pass(windows[begin:end])
            begin = end


def _end_of_pass(windows: Sequence[Window | BadEntry], begin: int) -> int:
    """Before which window the starts descend, from one on."""
    last = 0
    for index in range(begin, len(windows)):
        window = windows[index]
        if isinstance(window, Window):
            if window.start < last:
                return index
            last = window.start
    return len(windows)


class _Slicer:
    """Slices one file.

    Attributes:
        audio: the open file.
        damages: parts of it that are known to be damaged.
        stack: closes it.
    """

    audio: AudioReader
    damages: Sequence[Damage] = ()

    def __init__(self, url: str, options: StorageOptions, sample_rate: int, mono: bool, pad: float):
        self.stack = ExitStack()
        self._url = url
        self._options = options
        self._asked_rate = sample_rate
        self._mono = mono
        self._pad = pad
        self._doubts: list[Damage] = []  # blocks in which decoding failed: where in them is not known

    def open(self) -> None:
        """Opens the file; anew if it is open, as decoders are in no known state after a fault."""
        self.stack.close()
        self.audio = self.stack.enter_context(opened_audio(self._url, self._options, whole=False))
        self._rates = Rates(self.audio.sample_rate, self._asked_rate or self.audio.sample_rate)

    def window(self, span: Span) -> Window | BadEntry:
        """The span in samples, or why there are none."""
        channels = tuple(channel for channel in span.channels if channel < self.audio.channels)
        if not channels:
            what = f"has {self.audio.channels} channel(s), and none of the window's ({_listed(span.channels)}, from 0)"
            advice = "check the channels that the cut and its recording state"
            return audio_fault(RejectReason.AUDIO_UNREADABLE, self._url, what, advice)
        start, count = (counted_samples(seconds, self._rates.asked) for seconds in (span.start, span.duration))
        if count < 1:
            what = f"has no sample in the {span.duration} s of a window"
            return audio_fault(RejectReason.NOT_A_CUT, self._url, what, "give it a longer duration")
        return Window(start, start + count, channels)

    def of_one_pass(self, windows: Sequence[Window | BadEntry]) -> Iterator[Slice | BadEntry]:
        """What comes of windows whose starts do not descend."""
        coming = deque(window for window in windows if isinstance(window, Window))
        reading = self._reading(coming)
        for window in windows:
            if isinstance(window, BadEntry):
                yield window
                continue
            coming.popleft()
            found: Slice | BadEntry | None = self._known_fault(window)
            if found is None and not self._overlapping(self._doubts, window):
                try:
                    found = self._slice(window, reading)
                except BadEntry as fault:
                    self._doubt(fault, reading.position)
                    reading = self._reading([window, *coming])
            yield found or self._alone(window)
            reading.leave(window)

    def _reading(self, windows: Sequence[Window]) -> Reading:
        return Reading(self.audio, self._blocks(), windows, self._rates, self._mono, damages=self.damages)

    def _blocks(self) -> Blocks:
        """After damage, samples that decoding from the beginning would give are not to be had."""
        is_lost = self._doubts and self.audio.seeks and not self.audio.seeks_exactly
        return self.audio.blocks if is_lost else self.audio.exact_blocks

    def _doubt(self, fault: BadEntry, position: int) -> None:
        self._doubts.append(Damage(position, position + block_frames(self.audio), fault))
        self.open()

    def _alone(self, window: Window) -> Slice | BadEntry:
        """What comes of a window near damage: it is read by itself, so that only damage in it matters."""
        _, stop = self._rates.needed(window.start, window.stop)
        reading = Reading(self.audio, self._blocks(), [window], self._rates, self._mono, limit=stop)
        try:
            return self._slice(window, reading)
        except BadEntry as fault:
            self.open()
            return self.audio.cut_off or fault

    def _overlapping(self, parts: Sequence[Damage], window: Window) -> Damage | None:
        start, stop = self._rates.needed(window.start, window.stop)
        return next((part for part in parts if part.start < stop and start < part.stop), None)

    def _known_fault(self, window: Window) -> BadEntry | None:
        """What is known of the window without reading it."""
        damage = self._overlapping(self.damages, window)
        if damage is not None:
            return damage.fault
        if not self.audio.seeks:
            start, _ = self._rates.needed(window.start, window.stop)
            for doubt in self._doubts:
                if doubt.stop <= start:
                    return doubt.fault
        if self.audio.frames is None:
            return None
        return self._fault_of_end(window, self._rates.total(self.audio.frames))

    def _fault_of_end(self, window: Window, end: int) -> BadEntry | None:
        """The fault of a window that ends too long after the audio, whose samples are so many; None: it does not."""
        missing = window.stop - end
        is_little = missing <= _ROUNDING or missing < self._pad * self._rates.asked
        if missing <= 0 or (is_little and window.start < end):
            return None
        if self.audio.cut_off:
            return self.audio.cut_off
        lasts, stops = end / self._rates.asked, window.stop / self._rates.asked
        what = f"lasts {lasts:.3f} s, and the window ends at {stops:.3f} s"
        return audio_fault(RejectReason.AUDIO_TOO_SHORT, self._url, what)

    def _slice(self, window: Window, reading: Reading) -> Slice | BadEntry:
        """What comes of a window.

        Raises:
            BadEntry: the file is damaged somewhere in the block that begins at the position of the reading.
        """
        track = reading.reach(window)
        end = min(window.stop, track.stop)
        if end < window.stop:
            fault = reading.cut_off or self.audio.cut_off or self._fault_of_end(window, self._end(track))
            if fault is not None:
                return fault
        place = track.first_bad(*self._rates.within(window.start, window.stop))
        if place is not None:
            what = f"has a sample that is not a number (NaN or infinite) at {place / self._rates.file:.3f} s"
            return audio_fault(RejectReason.AUDIO_UNREADABLE, self._url, what)
        values, padded = track.part(window.start, end), window.stop - end
        if padded:
            values = _padded(values, padded)
        audio = self.audio
        return Slice(values, self._rates.asked, audio.bits, padded, audio.sample_rate, audio.channels)

    def _end(self, track: Track) -> int:
        """The number of samples that come of all of the file, which has been read to its end."""
        return track.stop or self._rates.total(self.audio.counted_frames())


def _padded(values: Samples, more: int) -> Samples:
    padded: Samples = np.pad(values, ((0, 0), (0, more)))  # type: ignore[assignment]
    return padded


def _listed(channels: Sequence[int]) -> str:
    return ", ".join(map(str, channels))
