"""Keeps the words of a recording's segments as JSON text instead of parsing them.

Words dominate most manifests, yet only truncated segments need them. Parsing all of them would cost more than the rest
of the work. So they are lifted out of a line before the rest of it is parsed. They are still checked to be valid JSON.
"""

from typing import Any

import msgspec
import orjson

_KEY = b'"words"'
_SEGMENTS = b'"segments"'
_HEAD = 2048
"""Words that begin later than this many bytes into a line are too rare for lifting to pay."""

_LONG_TEXT = 8 << 20

_KEY_LENGTH = len(b'"words": ')


class _Segment(msgspec.Struct, gc=False):
    words: msgspec.Raw = msgspec.Raw(b"")


class _Entry(msgspec.Struct):
    segments: list[_Segment]


_decoder = msgspec.json.Decoder(_Entry)


def parsed(text: bytes) -> Any:
    """What orjson makes of a text.

    It takes 12 bytes for each byte of the text, while it parses. Where it gets none, it says that the text is no JSON,
    or ends the process.

    Raises:
        JSONDecodeError: the text is not JSON.
        MemoryError: there is no room to parse it.
    """
    if len(text) > _LONG_TEXT:
        bytes(14 * len(text))  # reserved and given back, but never used
    return orjson.loads(text)


def lift_words(text: bytes) -> tuple[Any, list[bytes]] | None:
    """Parses a line except for the words of its segments.

    Returns:
        The entry, with null in place of each segment's words, and the words of each segment as JSON, empty for a
        segment without words. None if the line is not such an entry, has no words early enough to be worth lifting, or
        is formatted so unusually that the words are not found next to their key: the caller then parses it whole.
    """
    if text.find(_KEY, 0, _HEAD) < 0:
        return None
    try:
        words = [bytes(segment.words) for segment in _decoder.decode(text).segments]
        for lifted in words:
            if not lifted.isascii():
                lifted.decode("utf-8")  # the decoder does not check the text of raw values
        entry = parsed(b"".join(_without(words, text)))
        found = [segment["words"] for segment, lifted in zip(entry["segments"], words, strict=True) if lifted]
    except (msgspec.MsgspecError, RecursionError, LookupError, ValueError):
        return None
    return (entry, words) if found.count(None) == len(found) else None


def _without(words: list[bytes], text: bytes) -> list[bytes]:
    """The text in pieces, with null in place of the words.

    Raises:
        LookupError: the words of a segment do not follow the next key of that name.
    """
    pieces: list[bytes] = []
    done = 0
    key = text.find(_SEGMENTS)
    for lifted in words:
        if lifted:
            key = text.find(_KEY, key)
            start = key + _KEY_LENGTH
            if not text.startswith(lifted, start):
                start -= 1  # no space after the colon
                if key < 0 or not text.startswith(lifted, start):
                    raise LookupError
            pieces += (text[done:start], b"null")
            key = done = start + len(lifted)
    pieces.append(text[done:])
    return pieces
