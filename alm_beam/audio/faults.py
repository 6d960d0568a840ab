"""What can be wrong with an audio file, as the reject of the entry that names it."""

from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.core.text import visible
from alm_beam.storage.secrets import redacted, shown

_WHAT_TO_DO = {
    RejectReason.AUDIO_MISSING: "check the path, or name the folder that it is below by --audio_root",
    RejectReason.AUDIO_DENIED: "let this process read it",
    RejectReason.AUDIO_EMPTY: "fetch or write it again, or leave the entry out",
    RejectReason.AUDIO_TRUNCATED: "fetch it again; if it has always been so, write it anew: ffmpeg -i OLD NEW.wav",
    RejectReason.AUDIO_UNREADABLE: "fetch it again, or convert it: ffmpeg -i OLD NEW.wav",
    RejectReason.AUDIO_CODEC_MISSING: "pip install 'alm-beam[audio]'",
    RejectReason.AUDIO_TOO_SHORT: "check that it is the right file; --pad allows some silence at the end",
}


def audio_fault(reason: RejectReason, url: str, what: str, advice: str = "") -> BadEntry:
    """The fault of an entry whose audio cannot be used: the file, what is wrong with it, what to do.

    Args:
        reason: one of those of audio.
        url: path or URL of the file; the message has no secret of it.
        what: a sentence's end: "has no samples".
        advice: instead of the usual one for the reason.

    >>> print(audio_fault(RejectReason.AUDIO_EMPTY, "s3://lake/a.wav?sig=secret", "has no bytes").detail)
    s3://lake/a.wav has no bytes; fetch or write it again, or leave the entry out
    """
    return BadEntry(reason, visible(f"{shown(url)} {redacted(what)}; {advice or _WHAT_TO_DO[reason]}"))
