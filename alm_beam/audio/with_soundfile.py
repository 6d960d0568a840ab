"""Audio that libsndfile reads: WAV, FLAC, Ogg, MP3, AIFF and others."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import numpy as np

from alm_beam.audio import ogg
from alm_beam.audio.claims import Claim
from alm_beam.audio.faults import audio_fault
from alm_beam.audio.kinds import AudioKind
from alm_beam.audio.reader import AudioReader, Block, UnknownToLibraryError
from alm_beam.audio.source import Source, on_this_machine
from alm_beam.core.faults import BadEntry, RejectReason


@cache
def _without_seeks(kind: type[Any]) -> type[Any]:
    """soundfile's class, which otherwise would seek after each read to where it is."""
    return type("SequentialFile", (kind,), {"seekable": lambda _: False})


class SoundfileReader(AudioReader):
    """Reads by soundfile.

    Args:
        source: the bytes.
        kind: of the file.
        claim: what the header was found to say.

    Raises:
        ImportError: there is no soundfile.
        UnknownToLibraryError: libsndfile does not know the format, or what is in it.
        OSError: the store fails.
    """

    _file: Any
    _is_fresh: bool

    def __init__(self, source: Source, kind: AudioKind, claim: Claim):
        self._kind = kind
        self._claim = claim
        self._copies = ExitStack()
        self._open(source)
        self.sample_rate = self._file.samplerate
        self.channels = self._file.channels
        self.frames: int = self._file.frames if claim.frames is None else claim.frames

    def blocks(self, frames: int, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """As of all readers."""
        # Of Opus that begins late, libsndfile leaves out the decoder's delay, 6.5 ms, after a first seek only. All at
        # once is read without: so do Curator and librosa. Parts are where players have them.
        if start or stop is not None or not self._is_fresh:
            self._seek(start)
        self._is_fresh = False
        end = self.frames if stop is None else min(stop, self.frames)
        buffer = np.empty((frames, self.channels), np.float32)
        while self._position < end:
            count = min(frames, end - self._position)
            block = self._read(buffer[:count])
            self._position += len(block)
            if len(block):
                yield block
            if len(block) < count:
                if end - self._position > self._claim.slack:
                    raise self._short()
                break

    def counted_frames(self) -> int:
        """As of all readers."""
        return self.frames

    def check_whole(self) -> None:
        """As of all readers. libsndfile passes over damaged pages of Ogg."""
        if self._kind is AudioKind.OGG:
            copy = self._copies.enter_context(on_this_machine(self._source))
            ogg.check_pages(copy)
            if copy is not self._source:
                self._file.close()
                self._open(copy)

    def close(self) -> None:
        """As of all readers."""
        self._file.close()
        self._copies.close()

    def _open(self, source: Source) -> None:
        import soundfile

        self._source = source
        self._error = soundfile.LibsndfileError
        self._position = 0
        self._is_fresh = True
        file: Any = source if source.descriptor is None or source.is_amended else source.descriptor
        source.seek(0)
        if source.descriptor is not None:
            os.lseek(source.descriptor, 0, os.SEEK_SET)
        try:
            self._file = _without_seeks(soundfile.SoundFile)(file, closefd=False)
        except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
            source.raise_fault()
            raise UnknownToLibraryError(str(getattr(error, "error_string", error))) from None
        source.raise_fault()

    def _seek(self, position: int) -> None:
        try:
            self._position = self._file.seek(position)
        except (self._error, RuntimeError) as error:
            self._source.raise_fault()
            raise self._damaged(error, position, position) from None
        self._source.raise_fault()

    def _read(self, buffer: Block) -> Block:
        try:
            block: Block = self._file.read(dtype="float32", always_2d=True, out=buffer)
        except (self._error, RuntimeError) as error:
            self._source.raise_fault()
            raise self._damaged(error, self._position, self._position + len(buffer)) from None
        self._source.raise_fault()
        return block

    def _damaged(self, error: Exception, start: int, stop: int) -> BadEntry:
        where = f"between {start / self.sample_rate:.2f} s and {stop / self.sample_rate:.2f} s"
        why = str(getattr(error, "error_string", error)).strip() or "the decoder gives no reason"
        what = f"is damaged: it cannot be read {where} ({why})"
        return audio_fault(RejectReason.AUDIO_UNREADABLE, self._source.url, what)

    def _short(self) -> BadEntry:
        found, stated = self._position / self.sample_rate, self.frames / self.sample_rate
        what = f"holds {found:.2f} s of audio, where its header says {stated:.2f} s"
        return audio_fault(RejectReason.AUDIO_TRUNCATED, self._source.url, what)
