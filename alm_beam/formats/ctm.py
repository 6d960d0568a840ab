"""RTTM with CTM: who speaks when, and the words with their times, which go to the segments that they are in.

`<recording> <channel> <start> <duration> <word> [<confidence> [<type> [<speaker>]]]`, with fields between white space.
Between `<ALT_BEGIN>` and `<ALT_END>`, words are alternatives to each other, with `<ALT>` between each two: the first
one counts.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from alm_beam.formats import rttm
from alm_beam.formats.fields import check_count, confidence_in, end_of, fields_of, given, seconds
from alm_beam.formats.format import PASSED_OVER, Format, Piece

ALTERNATIVE = "alternative"

_BEGIN, _NEXT, _END = "<ALT_BEGIN>", "<ALT>", "<ALT_END>"
_NULL_WORD = "@"
"""Stands, in an alternative, for no word at all."""

_NO_WORDS = frozenset(("non-lex", "noise", "misc", "non-speech"))
_MIN_FIELDS, _MAX_FIELDS = 5, 8
_EXPECTED = "<recording> <channel> <start> <duration> <word> [<confidence>]"
_START, _DURATION = "start (field 3)", "duration (field 4)"


def pieces(line: bytes, _: str) -> Iterator[Piece]:
    """What a line of RTTM, or of CTM, holds. A line is of RTTM if it begins as one does.

    Raises:
        BadEntry: the line is of neither.

    >>> [piece] = pieces(b"ami A 0.1 0.2 hello 0.97", "")
    >>> piece.recording, piece.value
    ('ami', [{'word': 'hello', 'start': 0.1, 'end': 0.3, 'confidence': 0.97}, 'A', None])
    """
    fields = fields_of(line)
    if fields:
        yield rttm.rttm_piece(fields) if fields[0] in rttm.TYPES else _ctm_piece(fields)


def entry(recording: str, pieces: Sequence[Piece]) -> dict[str, Any]:
    """The entry of a recording: its segments by start, with the words that are in them."""
    return rttm.rttm_entry(recording, [*_first_alternatives(pieces)])


def _ctm_piece(fields: Sequence[str]) -> Piece:
    check_count(fields, _MIN_FIELDS, _MAX_FIELDS, _EXPECTED)
    recording, channel, start_text, duration_text, word, *others = fields
    if word.upper() in (_BEGIN, _NEXT, _END):
        return Piece(recording, ALTERNATIVE, [word.upper(), channel])
    kind = others[1].lower() if len(others) > 1 else ""
    if kind in _NO_WORDS:
        return Piece("", PASSED_OVER, f"CTM {kind}")
    if given(start_text) is None or given(word) is None:
        return Piece("", PASSED_OVER, "CTM without start or word")
    start = seconds(start_text, _START)
    has_duration = given(duration_text) is not None
    end = end_of(start, seconds(duration_text, _DURATION), _DURATION) if has_duration else float(start)
    value = {"word": word, "start": float(start), "end": end}
    confidence = confidence_in(others[0], "confidence (field 6)") if others else None
    if confidence is not None:
        value["confidence"] = confidence
    return Piece(recording, rttm.WORD, [value, given(channel), None])


def _first_alternatives(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The pieces without the alternatives that follow a first one, which each channel has of its own."""
    inside: defaultdict[str | None, str] = defaultdict(lambda: _END)
    for piece in pieces:
        if piece.kind == ALTERNATIVE:
            mark, channel = piece.value
            inside[given(channel)] = mark
        elif piece.kind == rttm.WORD:
            value, channel, _ = piece.value
            mark = inside[channel]
            if mark != _NEXT and not (mark == _BEGIN and value["word"] == _NULL_WORD):
                yield piece
        else:
            yield piece


FORMAT = Format(
    pieces,
    entry,
    endings=(".rttm", ".ctm"),
    is_text=True,
    counted=rttm.FORMAT.counted,
)
