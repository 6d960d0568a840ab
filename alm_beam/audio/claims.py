"""What headers say of the length of audio, checked against the size of the file."""

from typing import NamedTuple

from alm_beam.audio import chunks, flac, mp3, mp4, ogg
from alm_beam.audio.kinds import SOUNDFILE, AudioKind
from alm_beam.audio.source import Source
from alm_beam.core.faults import BadEntry


class Claim(NamedTuple):
    """How long a file is, as far as that is known without decoding it.

    Attributes:
        frames: samples per channel, found out here; None: not found out.
        library_knows: whether the number is right that the kind's library has from the header.
        slack: samples per channel that may be missing, as encoders of the format miscount.
        cut_off: the fault of a file that ends too early; None: it does not, as far as headers tell.
    """

    frames: int | None = None
    library_knows: bool = True
    slack: int = 0
    cut_off: BadEntry | None = None


def claimed(source: Source, kind: AudioKind, tag: int) -> Claim:
    """How long a file says it is.

    Args:
        source: its bytes. Where the header has no length, as of a recording that was streamed, it is amended.
        kind: of the file.
        tag: bytes of the ID3 tag that it begins with.

    Raises:
        BadEntry: it says more than the file holds.
        OSError: its store fails.
    """
    if kind in chunks.LAYOUTS:
        chunks.check(source, kind)
        return Claim()
    if kind is AudioKind.FLAC:
        return Claim(flac.checked_frames(source, tag))
    if kind is AudioKind.OGG:
        ogg.check_end(source)
        return Claim()
    if kind is AudioKind.MP3:
        return Claim(library_knows=mp3.states_its_length(source, tag), slack=mp3.SLACK)
    if kind is AudioKind.MP4:
        return Claim(library_knows=not mp4.is_in_fragments(source))
    return Claim(library_knows=kind.library == SOUNDFILE)
