"""Audio that FFmpeg reads, by PyAV: AAC, M4A, video and others."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alm_beam.audio.claims import Claim
from alm_beam.audio.faults import audio_fault
from alm_beam.audio.kinds import AudioKind
from alm_beam.audio.reader import AudioReader, Block, Samples, UnknownToLibraryError
from alm_beam.audio.source import Source
from alm_beam.core.faults import BadEntry, RejectReason

_COUNTED_AT_ONCE = 1 << 16
_WARM_UP_SECONDS = 1
"""What a decoder is given before the place that was asked for: AAC needs the frame before, SBR some more."""

_SLACK_FRAMES = 2 * 2048
_SLACK_SECONDS = 0.5
"""So much less than a container states is no fault: it counts what encoders add, or rounds."""

_STATES_DURATION = (AudioKind.MP4, AudioKind.MATROSKA, AudioKind.ASF)
_MICROSECONDS = 1e-6
_MORE_THAN_16_BITS = ("s32", "s32p", "s64", "s64p")


class AvReader(AudioReader):
    """Reads by PyAV. Nothing but the first audio stream is read, which is the one that players take.

    Args:
        source: the bytes.
        kind: of the file.
        claim: what the header was found to say.

    Raises:
        ImportError: there is no av.
        UnknownToLibraryError: FFmpeg cannot read it, or there is no audio in it.
        OSError: the store fails.
    """

    def __init__(self, source: Source, kind: AudioKind, claim: Claim):
        self._source = source
        self._kind = kind
        self._open()
        context = self._stream.codec_context
        self.sample_rate = context.sample_rate
        self.channels = context.channels
        self.frames = self._stated_frames() if claim.library_knows and kind is AudioKind.MP4 else None
        self._least = self._least_frames()
        self.bits = 24 if context.format is not None and context.format.name in _MORE_THAN_16_BITS else 16
        self.cut_off = claim.cut_off
        self.seeks = self.frames is not None and self._stream.time_base * self.sample_rate == 1
        self.seeks_exactly = self.seeks and context.codec.lossless  # AAC fills bands with noise, other after a seek

    def blocks(self, frames: int, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """As of all readers."""
        end = self.frames if stop is None else stop if self.frames is None else min(stop, self.frames)
        buffer = np.empty((frames, self.channels), np.float32)
        filled, position = 0, start
        for part in self._parts(start):
            while len(part) and (end is None or position < end):
                count = min(len(part), frames - filled, len(part) if end is None else end - position)
                buffer[filled : filled + count] = part[:count]
                part, filled, position = part[count:], filled + count, position + count
                if filled == frames:
                    yield buffer
                    filled = 0
            if end is not None and position >= end:
                break
        if filled:
            yield buffer[:filled]
        self._refuse_short(position, stop)

    def exact_blocks(self, frames: int, start: int, stop: int | None = None) -> Iterator[Samples]:
        """As of all readers."""
        position = start if self.seeks_exactly else 0
        for block in self.blocks(frames, position, stop):
            position += len(block)
            if position > start:
                yield block[start - position :] if start > position - len(block) else block

    def counted_frames(self) -> int:
        """As of all readers."""
        if self.frames is None:
            self.frames = sum(len(block) for block in self.blocks(_COUNTED_AT_ONCE))
        return self.frames

    def close(self) -> None:
        """As of all readers."""
        self._container.close()

    def _open(self) -> None:
        import av

        self._error = av.FFmpegError
        self._is_at_start = True
        self._source.seek(0)
        try:
            self._container: Any = av.open(self._source, format=self._kind.format, metadata_errors="ignore")
        except (av.FFmpegError, ValueError) as error:
            self._source.raise_fault()
            raise UnknownToLibraryError(_said(error)) from None
        try:
            self._source.raise_fault()
            self._stream = self._audio_stream()
        except BaseException:
            self._container.close()
            raise

    def _audio_stream(self) -> Any:
        if not self._container.streams.audio:
            raise UnknownToLibraryError("there is no audio in it")
        stream = self._container.streams.audio[0]
        if stream.codec_context is None:
            raise UnknownToLibraryError("it does not know the codec")
        if not stream.codec_context.sample_rate or not stream.codec_context.channels:
            raise UnknownToLibraryError("the audio has no sample rate, or no channels")
        return stream

    def _stated_frames(self) -> int | None:
        duration = self._stream.duration
        return round(duration * self._stream.time_base * self.sample_rate) if duration else None

    def _least_frames(self) -> int:
        """As many as there are if the header is right, less what is no fault; 0 where it says nothing."""
        if self.frames is not None:
            return self.frames - _SLACK_FRAMES
        states = self._kind in _STATES_DURATION and len(self._container.streams) == 1
        seconds = (self._container.duration or 0) * _MICROSECONDS if states else 0
        return int((seconds - _SLACK_SECONDS) * self.sample_rate)

    def _parts(self, start: int) -> Iterator[Block]:
        """The samples from there on, as they are decoded: float32 [samples, channels]."""
        if not self._is_at_start:
            self._container.close()  # some decoders give other samples after a seek to the beginning
            self._open()
        self._is_at_start = False
        place = self._sought(start)
        for frame in self._decoded():
            part = _floats(frame)
            if part.shape[1] != self.channels or frame.sample_rate != self.sample_rate:
                raise self._changed(frame)
            if place is None:
                place = self._place_of(frame.pts)
            yield part[max(0, start - place) :]
            place += len(part)

    def _sought(self, start: int) -> int | None:
        """Seeks to before a sample; the place of the first one that is decoded then, None where its frame tells.

        Only where times of frames tell their places to the sample: else all before it has to be decoded.
        """
        before = start - _WARM_UP_SECONDS * self.sample_rate
        if before <= 0 or not self.seeks:
            return 0
        self._container.seek(before + (self._stream.start_time or 0), stream=self._stream)
        self._source.raise_fault()
        return None

    def _place_of(self, time: int) -> int:
        return time - int(self._stream.start_time or 0)

    def _decoded(self) -> Iterator[Any]:
        frames = iter(self._container.decode(self._stream))
        while True:
            try:
                frame = next(frames, None)
            except self._error as error:
                self._source.raise_fault()
                what = f"is damaged, or cut off: it cannot be decoded ({_said(error)})"
                raise audio_fault(RejectReason.AUDIO_UNREADABLE, self._source.url, what) from None
            self._source.raise_fault()
            if frame is None:
                return
            yield frame

    def _refuse_short(self, position: int, stop: int | None) -> None:
        least = self._least if stop is None else min(self._least, stop)
        if position < least:
            found, stated = position / self.sample_rate, least / self.sample_rate
            what = f"holds {found:.2f} s of audio, where its header says {stated:.2f} s or more"
            raise audio_fault(RejectReason.AUDIO_TRUNCATED, self._source.url, what)

    def _changed(self, frame: Any) -> BadEntry:
        now = f"{frame.sample_rate} Hz and {len(frame.layout.channels)} channels"
        what = f"changes from {self.sample_rate} Hz and {self.channels} channels to {now} on the way"
        return audio_fault(RejectReason.AUDIO_UNREADABLE, self._source.url, what)


def _floats(frame: Any) -> Block:
    """The samples of a frame of FFmpeg's, whatever their type: float32 [samples, channels]; full scale is 1."""
    values: NDArray[Any] = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, len(frame.layout.channels))
    if values.dtype.kind == "f":
        return values.astype(np.float32, copy=False)
    full = np.float32(2.0 ** (8 * values.itemsize - 1))
    samples: Block = values.astype(np.float32)
    if values.dtype.kind == "u":
        samples -= full
    samples /= full
    return samples


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or error)
