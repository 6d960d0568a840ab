"""The words of a recording's segments, kept as the JSON that they stand in.

Words are most of many a manifest, and few are ever looked at: those of segments that a window cuts. So that the others
become no objects, they are lifted out of a line before the rest of it is parsed. They are still seen to be JSON.
"""

from typing import Any

import msgspec
import orjson

_KEY = b'"words"'
_SEGMENTS = b'"segments"'
_HEAD = 2048
"""Bytes of a line within which the first words stand, if most segments have some."""

_TO_VALUE = len(b'"words": ')


class _Segment(msgspec.Struct, gc=False):
    words: msgspec.Raw = msgspec.Raw(b"")


class _Entry(msgspec.Struct):
    segments: list[_Segment]


_decoder = msgspec.json.Decoder(_Entry)


def lift_words(text: bytes) -> tuple[Any, list[bytes]] | None:
    """The entry that a line holds, with null in place of each segment's words, and those words, as JSON.

    The words of a segment without are empty. None where the line is no such entry, does not begin with words that are
    worth it, or is written in so odd a way that they are not found where they should stand.
    """
    if text.find(_KEY, 0, _HEAD) < 0:
        return None
    try:
        words = [bytes(segment.words) for segment in _decoder.decode(text).segments]
        for lifted in words:
            if not lifted.isascii():
                lifted.decode("utf-8")  # the decoder does not see to that in what it passes over
        entry = orjson.loads(b"".join(_without(words, text)))
        found = [segment["words"] for segment, lifted in zip(entry["segments"], words, strict=True) if lifted]
    except (msgspec.MsgspecError, RecursionError, LookupError, ValueError):
        return None
    return (entry, words) if found.count(None) == len(found) else None


def _without(words: list[bytes], text: bytes) -> list[bytes]:
    """The text in pieces, null in place of the words.

    Raises:
        LookupError: words do not stand behind the next key of that name.
    """
    pieces: list[bytes] = []
    done = 0
    key = text.find(_SEGMENTS)
    for lifted in words:
        if lifted:
            key = text.find(_KEY, key)
            start = key + _TO_VALUE
            if not text.startswith(lifted, start):
                start -= 1  # no space behind the colon
                if key < 0 or not text.startswith(lifted, start):
                    raise LookupError
            pieces += (text[done:start], b"null")
            key = done = start + len(lifted)
    pieces.append(text[done:])
    return pieces
