"""Audio files, opened: what their headers say, checked against what there is, and their samples."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from alm_beam.audio.claims import Claim, claimed
from alm_beam.audio.faults import audio_fault
from alm_beam.audio.kinds import AV, AudioKind, audio_kind, id3_size
from alm_beam.audio.reader import AudioReader, UnknownToLibraryError
from alm_beam.audio.source import Source, opened_source
from alm_beam.audio.with_av import AvReader
from alm_beam.audio.with_soundfile import SoundfileReader
from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.text import visible
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions

_HEAD_BYTES = 400


@contextmanager
def opened_audio(url: str, options: StorageOptions = NO_OPTIONS, *, whole: bool = True) -> Iterator[AudioReader]:
    """An audio file, to read its samples from; of a remote one, ranges are read.

    Args:
        url: a local path, or any URL of fsspec's.
        options: fsspec's, by protocol.
        whole: whether a file is refused that ends before its header says; else `cut_off` of the reader is the fault,
            and what there is can be read.

    Raises:
        BadEntry: on entering and while reading: the file is missing, may not be read, is empty, is shorter than its
            header says, is no audio or damaged, or of a kind that no installed package reads.
        OSError: on entering and while reading: its store fails.

    >>> import soundfile, numpy as np
    >>> soundfile.write("tone.wav", np.zeros((16000, 2)), 16000)
    >>> with opened_audio("tone.wav") as audio:
    ...     audio.sample_rate, audio.channels, audio.frames, sum(len(block) for block in audio.blocks(1000, 4000))
    (16000, 2, 16000, 12000)
    """
    with opened_source(url, options) as source:
        head = source.at(0, _HEAD_BYTES)
        tag = id3_size(head)
        kind = audio_kind(source.at(tag, _HEAD_BYTES) if tag else head)
        if kind is None and tag:
            kind = AudioKind.MP3
        if kind is None:
            raise audio_fault(RejectReason.AUDIO_UNREADABLE, url, f"is no audio; it begins with {_shown(head)}")
        with closing(_reader(source, kind, _claim(source, kind, tag, whole))) as reader:
            if reader.frames == 0:
                raise reader.cut_off or audio_fault(RejectReason.AUDIO_EMPTY, url, "has no samples")
            yield reader


def _shown(head: bytes) -> str:
    return f'"{visible(head[:40].decode("latin-1"))}"'


def _claim(source: Source, kind: AudioKind, tag: int, whole: bool) -> Claim:
    try:
        return claimed(source, kind, tag)
    except BadEntry as fault:
        if whole or fault.reason is not RejectReason.AUDIO_TRUNCATED:
            raise
        return Claim(cut_off=fault)


def _reader(source: Source, kind: AudioKind, claim: Claim) -> AudioReader:
    why = ""
    if kind.library != AV and claim.library_knows:
        try:
            return SoundfileReader(source, kind, claim)
        except ImportError:
            raise _missing(source, kind, "soundfile") from None
        except UnknownToLibraryError as error:
            why = f" (libsndfile: {str(error).strip()})"
    try:
        return AvReader(source, kind, claim)
    except ImportError:
        if why:  # a file that is damaged, or one that only the other library reads
            raise _unreadable(source, kind, f"{why}; the package av, which is not installed, may be able to") from None
        raise _missing(source, kind, "av") from None
    except UnknownToLibraryError as error:
        raise claim.cut_off or _unreadable(source, kind, f"{why} (FFmpeg: {error})") from None


def _missing(source: Source, kind: AudioKind, package: str) -> BadEntry:
    what = f"is {kind.name}, which is read by the Python package {package}, which is not installed"
    return audio_fault(RejectReason.AUDIO_CODEC_MISSING, source.url, what)


def _unreadable(source: Source, kind: AudioKind, why: str) -> BadEntry:
    what = f"begins as {kind.name} does, but cannot be read{why}"
    return audio_fault(RejectReason.AUDIO_UNREADABLE, source.url, what)
