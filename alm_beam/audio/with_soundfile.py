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
from alm_beam.audio.reader import AudioReader, Block, Damage, Samples, UnknownToLibraryError
from alm_beam.audio.source import Source, on_this_machine
from alm_beam.core.faults import BadEntry, RejectReason

_AT_MOST_16_BITS = ("PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW", "ALAC_16")
_MORE_BITS = ("PCM_24", "PCM_32", "ALAC_20", "ALAC_24", "ALAC_32")
_NEED_WARM_UP = ("VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")
_WARM_UP = 1 << 14
"""Samples that a decoder is given before a place, so that all from there on are as if it had been given all: Vorbis
needs two of its blocks, of 8192 at most, Opus 80 ms, MP3 a few frames of 1152."""


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
        self.bits = 24 if self._file.subtype in _MORE_BITS else 16
        self.cut_off = claim.cut_off
        self.seeks = self.seeks_exactly = True

    def blocks(self, frames: int, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """As of all readers."""
        # Of Opus that begins late, libsndfile leaves out the decoder's delay, 6.5 ms, after a first seek only. All at
        # once is read without: so do Curator and librosa. Parts are where players have them.
        if start or stop is not None or not self._is_fresh:
            self._seek(start)
        self._is_fresh = False
        yield from self._from_here(np.empty((frames, self.channels), np.float32), stop)

    def exact_blocks(self, frames: int, start: int, stop: int | None = None) -> Iterator[Samples]:
        """As of all readers."""
        kind = np.int16 if self._file.subtype in _AT_MOST_16_BITS else np.float32
        buffer: Any = np.empty((frames, self.channels), kind)
        self._go_exactly(start - (_WARM_UP if self._file.subtype in _NEED_WARM_UP else 0))
        while self._position < start:
            before = self._position
            for _ in self._from_here(buffer, min(start, before + frames)):
                pass
            if self._position == before:
                return
        yield from self._from_here(buffer, stop)

    def _go_exactly(self, position: int) -> None:
        """Goes to a place, where players and soundfile's `read` have it: see `blocks`."""
        if position > 0:
            self._seek(position)
        else:
            if not self._is_fresh:
                self._file.close()
                self._open(self._source)
            if self._file.subtype == "OPUS":
                self._seek(0)
        self._is_fresh = False

    def _from_here(self, buffer: Any, stop: int | None) -> Iterator[Any]:
        frames = len(buffer)
        end = self.frames if stop is None else min(stop, self.frames)
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
        for page in self._checked_pages().bad:
            raise page.fault

    def damages(self) -> list[Damage]:
        """As of all readers."""
        bad, end, streams = self._checked_pages()
        if bad and streams > 1:
            raise bad[0].fault
        scale = ogg.OPUS_RATE / self.sample_rate if self._file.subtype == "OPUS" else 1.0
        begin = end - self.frames * scale
        places = [(page.start - begin) / scale for page in bad]
        ends = [(min(page.stop, end) - begin) / scale for page in bad]
        return [
            Damage(int(place) - _WARM_UP // 8, int(stop) + _WARM_UP, page.fault)
            for place, stop, page in zip(places, ends, bad)
        ]

    def _checked_pages(self) -> ogg.Pages:
        if self._kind is not AudioKind.OGG:
            return ogg.Pages([], 0, 0)
        copy = self._copies.enter_context(on_this_machine(self._source))
        if copy is not self._source:
            self._file.close()
            self._open(copy)
        return ogg.checked_pages(copy)

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

    def _read(self, buffer: Any) -> Any:
        try:
            block = self._file.read(dtype=buffer.dtype.name, always_2d=True, out=buffer)
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
