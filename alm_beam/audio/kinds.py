"""What kind of audio file the first bytes are of, and which library reads it."""

from enum import Enum
from typing import NamedTuple

SOUNDFILE = "soundfile"
AV = "av"


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: for messages.
        library: the first to be asked to read it.
        format: FFmpeg's name, for `av`; empty where it has none of its own.
    """

    name: str
    library: str
    format: str


class AudioKind(Kind, Enum):
    """The kinds that are read."""

    WAV = Kind("WAV", SOUNDFILE, "wav")
    RF64 = Kind("RF64", SOUNDFILE, "wav")
    W64 = Kind("Wave64", SOUNDFILE, "w64")
    FLAC = Kind("FLAC", SOUNDFILE, "flac")
    OGG = Kind("Ogg", SOUNDFILE, "ogg")
    MP3 = Kind("MP3", SOUNDFILE, "mp3")
    AIFF = Kind("AIFF", SOUNDFILE, "aiff")
    AU = Kind("AU", SOUNDFILE, "au")
    CAF = Kind("CAF", SOUNDFILE, "caf")
    SPHERE = Kind("NIST Sphere", SOUNDFILE, "nistspeech")
    MP4 = Kind("MP4 or M4A", AV, "mov")
    MATROSKA = Kind("Matroska or WebM", AV, "matroska")
    ADTS = Kind("AAC", AV, "aac")
    ASF = Kind("WMA", AV, "asf")
    AVI = Kind("AVI", AV, "avi")
    FLV = Kind("FLV", AV, "flv")
    MPEG_TS = Kind("MPEG transport stream", AV, "mpegts")
    MPEG_PS = Kind("MPEG program stream", AV, "mpeg")
    AMR = Kind("AMR", AV, "amr")
    AC3 = Kind("AC-3", AV, "ac3")
    WAVPACK = Kind("WavPack", AV, "wv")
    APE = Kind("Monkey's Audio", AV, "ape")


_BEGINNINGS = (
    (b"fLaC", AudioKind.FLAC),
    (b"OggS", AudioKind.OGG),
    (b"RF64", AudioKind.RF64),
    (b"BW64", AudioKind.RF64),
    (b"RIFX", AudioKind.WAV),
    (b"riff\x2e\x91\xcf\x11", AudioKind.W64),
    (b".snd", AudioKind.AU),
    (b"caff", AudioKind.CAF),
    (b"NIST_1A", AudioKind.SPHERE),
    (b"\x1a\x45\xdf\xa3", AudioKind.MATROSKA),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", AudioKind.ASF),
    (b"FLV\x01", AudioKind.FLV),
    (b"#!AMR", AudioKind.AMR),
    (b"\x0b\x77", AudioKind.AC3),
    (b"wvpk", AudioKind.WAVPACK),
    (b"MAC ", AudioKind.APE),
    (b"\x00\x00\x01\xba", AudioKind.MPEG_PS),
)
_RIFF = {b"WAVE": AudioKind.WAV, b"AVI ": AudioKind.AVI}
_FORM = {b"AIFF": AudioKind.AIFF, b"AIFC": AudioKind.AIFF}
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_TS_PACKET = 188


def audio_kind(head: bytes) -> AudioKind | None:
    """The kind of file that begins so; None if it is none that is read. Names of files are not looked at.

    Args:
        head: the first 400 bytes, or all of a shorter file, after an ID3 tag if one is there.

    >>> audio_kind(b"RIFF....WAVEfmt ").name
    'WAV'
    >>> audio_kind(b"<!DOCTYPE html>")
    """
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[:4] == b"FORM":
        return _FORM.get(head[8:12])
    if head[4:8] in _BOXES:
        return AudioKind.MP4
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head[:1] == b"G" and head[_TS_PACKET : _TS_PACKET + 1] == b"G":
        return AudioKind.MPEG_TS
    return _by_sync(head)


def _by_sync(head: bytes) -> AudioKind | None:
    """MPEG audio begins with 11 or 12 bits that are set, then a version and a layer; layer 0 is AAC."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:
        return AudioKind.ADTS if head[1] & 0xF0 == 0xF0 else None
    has_rate = version != 1 and head[2] >> 4 != 15 and head[2] >> 2 & 3 != 3
    return AudioKind.MP3 if has_rate else None


def id3_size(head: bytes) -> int:
    """Bytes of the ID3 tag that a file begins with; 0 if it has none.

    >>> id3_size(b"ID3" + bytes([4, 0, 0, 0, 0, 1, 0]))
    138
    """
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + (20 if head[5] & 0x10 else 10)
