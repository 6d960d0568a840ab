"""Audio that libsndfile reads: WAV, FLAC, Ogg, MP3, AIFF and others."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from alm_beam.audio.claims import Claim
from alm_beam.audio.faults import audio_fault
from alm_beam.audio.reader import AudioReader, Block, UnknownToLibraryError
from alm_beam.audio.source import Source
from alm_beam.core.faults import RejectReason

_COUNTED_AT_ONCE = 1 << 16


class SoundfileReader(AudioReader):
    """Reads by soundfile.

    Args:
        source: the bytes.
        claim: what the header was found to say.

    Raises:
        ImportError: there is no soundfile.
        UnknownToLibraryError: libsndfile does not know the format, or what is in it.
        OSError: the store fails.
    """

    def __init__(self, source: Source, claim: Claim):
        import soundfile

        self._source = source
        self._error = soundfile.LibsndfileError
        file: Any = source if source.descriptor is None or source.is_amended else source.descriptor
        source.seek(0)
        if source.descriptor is not None:
            os.lseek(source.descriptor, 0, os.SEEK_SET)
        try:
            self._file = soundfile.SoundFile(file, closefd=False)
        except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
            source.raise_fault()
            raise UnknownToLibraryError(str(getattr(error, "error_string", error))) from None
        source.raise_fault()
        self.sample_rate = self._file.samplerate
        self.channels = self._file.channels
        self._claim = claim
        self._position = 0
        self.frames = claim.frames if claim.frames is not None else self._frames_of_library()

    def blocks(self, frames: int, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """As of all readers."""
        if start != self._position:
            self._seek(start)
        end = self.frames if stop is None else stop if self.frames is None else min(stop, self.frames)
        buffer = np.empty((frames, self.channels), np.float32)
        while end is None or self._position < end:
            count = frames if end is None else min(frames, end - self._position)
            block = self._read(buffer[:count])
            self._position += len(block)
            if len(block):
                yield block
            if len(block) < count:
                if end is not None and end - self._position > self._claim.slack:
                    raise self._short()
                break

    def counted_frames(self) -> int:
        """As of all readers."""
        if self.frames is None:
            self._seek(0)
            self.frames = sum(len(block) for block in self.blocks(_COUNTED_AT_ONCE))
        return self.frames

    def close(self) -> None:
        """As of all readers."""
        self._file.close()

    def _frames_of_library(self) -> int | None:
        return int(self._file.frames) if self._claim.library_knows else None

    def _seek(self, position: int) -> None:
        try:
            self._position = self._file.seek(position)
        except (self._error, RuntimeError) as error:
            self._source.raise_fault()
            raise self._damaged(error) from None
        self._source.raise_fault()

    def _read(self, buffer: Block) -> Block:
        try:
            block: Block = self._file.read(dtype="float32", always_2d=True, out=buffer)
        except (self._error, RuntimeError) as error:
            self._source.raise_fault()
            raise self._damaged(error) from None
        self._source.raise_fault()
        return block

    def _damaged(self, error: Exception) -> Exception:
        seconds = self._position / self.sample_rate
        why = str(getattr(error, "error_string", error)).strip() or "the decoder gives no reason"
        what = f"is damaged: it cannot be read from about {seconds:.2f} s on ({why})"
        return audio_fault(RejectReason.AUDIO_UNREADABLE, self._source.url, what)

    def _short(self) -> Exception:
        found, stated = self._position / self.sample_rate, (self.frames or 0) / self.sample_rate
        what = f"holds {found:.2f} s of audio, where its header says {stated:.2f} s"
        return audio_fault(RejectReason.AUDIO_TRUNCATED, self._source.url, what)
