"""RTTM: who speaks when, a line each, of one recording or of many; and back.

`SPEAKER <recording> <channel> <start> <duration> <ortho> <type> <speaker> <confidence> <lookahead>`, with fields
between white space and `<NA>` for no value. SPEAKER lines are segments, LEXEME lines are words. The other types of
NIST's specification say nothing that an entry holds; they are passed over.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from alm_beam.core.faults import BadEntry, RejectReason
from alm_beam.formats.fields import (
    NOT_GIVEN,
    check_count,
    confidence_in,
    end_of,
    fields_of,
    given,
    safe_field,
    seconds,
    seconds_text,
)
from alm_beam.formats.format import PASSED_OVER, Format, Piece
from alm_beam.formats.placed_words import Word, place_words

SEGMENT = "segment"
WORD = "word"

WORDS_WITHOUT_SEGMENT = "words_without_segment"
"""The field of an entry that says how many words are in none of its segments; there where there are any."""

REPEATED_SEGMENTS = "repeated_segments"
"""The field of an entry that says how many of its lines were equal to earlier ones, as of files that hold the same."""

_SPEAKER, _LEXEME = "SPEAKER", "LEXEME"
_PASSED_OVER = frozenset(
    "SPKR-INFO NON-LEX NON-SPEECH SEGMENT NOSCORE NO_RT_METADATA IP CB A/P SU EDIT FILLER".split()  # noqa: SIM905
)
TYPES = _PASSED_OVER | {_SPEAKER, _LEXEME}
"""What a line may begin with."""

_MIN_FIELDS, _MAX_FIELDS = 8, 10
_EXPECTED = "SPEAKER <recording> <channel> <start> <duration> <NA> <NA> <speaker> <NA> <NA>"
_START, _DURATION = "start (field 4)", "duration (field 5)"


def rttm_pieces(line: bytes, _: str) -> Iterator[Piece]:
    """What a line holds: a segment, a word, or what is passed over.

    Raises:
        BadEntry: the line is not of RTTM.

    >>> [piece] = rttm_pieces(b"SPEAKER ami 1 0.1 0.2 <NA> <NA> ann <NA> <NA>", "")
    >>> piece.recording, piece.value
    ('ami', {'start': 0.1, 'end': 0.3, 'speaker': 'ann', 'channel': '1'})
    """
    fields = fields_of(line)
    if fields:
        yield rttm_piece(fields)


def rttm_piece(fields: Sequence[str]) -> Piece:
    """What the fields of a line hold.

    Raises:
        BadEntry: they are not of RTTM.
    """
    kind = fields[0]
    if kind in _PASSED_OVER:
        return Piece("", PASSED_OVER, kind)
    if kind not in TYPES:
        found = repr(kind[:40])
        raise BadEntry(RejectReason.UNKNOWN_LINE_TYPE, f"expected a line as {_EXPECTED}, found one of type {found}")
    check_count(fields, _MIN_FIELDS, _MAX_FIELDS, _EXPECTED)
    if kind == _LEXEME and (given(fields[3]) is None or given(fields[4]) is None):
        return Piece("", PASSED_OVER, f"{_LEXEME} without times")
    start, duration = seconds(fields[3], _START), seconds(fields[4], _DURATION)
    times = {"start": float(start), "end": end_of(start, duration, _DURATION)}
    channel, speaker = given(fields[2]), given(fields[7])
    confidence = confidence_in(fields[8], "confidence (field 9)") if len(fields) > _MIN_FIELDS else None
    if kind == _LEXEME:
        word = given(fields[5])
        if word is None:
            return Piece("", PASSED_OVER, f"{_LEXEME} without a word")
        return Piece(fields[1], WORD, [_known({"word": word, **times, "confidence": confidence}), channel, speaker])
    segment = {**times, "speaker": speaker, "channel": channel, "confidence": confidence}
    return Piece(fields[1], SEGMENT, _known(segment))


def rttm_entry(recording: str, pieces: Sequence[Piece]) -> dict[str, Any]:
    """The entry of a recording: its segments by start, each once, with the words that are in them.

    >>> lines = b"SPEAKER ami 1 5 2 <NA> <NA> bob <NA>", b"SPEAKER ami 1 0.5 2 <NA> <NA> ann <NA>"
    >>> entry = rttm_entry("ami", [piece for line in lines for piece in rttm_pieces(line, "")])
    >>> entry["audio_item_id"], [segment["speaker"] for segment in entry["segments"]]
    ('ami', ['ann', 'bob'])
    """
    given_segments = [piece.value for piece in pieces if piece.kind == SEGMENT]
    segments = sorted({tuple(each.items()): each for each in given_segments}.values(), key=_start_of)
    words = [Word(*piece.value) for piece in pieces if piece.kind == WORD]
    outside = place_words(segments, words) if words else 0
    counts = {REPEATED_SEGMENTS: len(given_segments) - len(segments), WORDS_WITHOUT_SEGMENT: outside}
    return {"audio_item_id": recording, "segments": segments} | {name: each for name, each in counts.items() if each}


def rttm_line(recording: str, channel: str, start: Decimal, end: Decimal, speaker: str | None) -> bytes:
    """A SPEAKER line, without a newline. Names are made fields by `safe_field`; times have all their digits.

    >>> rttm_line("board meeting", "1", Decimal("0.5"), Decimal("2.75"), "ann")
    b'SPEAKER board%20meeting 1 0.500 2.250 <NA> <NA> ann <NA> <NA>'
    """
    what = (_SPEAKER, safe_field(recording), safe_field(channel), seconds_text(start), seconds_text(end - start))
    name = NOT_GIVEN if speaker is None else safe_field(speaker)
    return " ".join((*what, NOT_GIVEN, NOT_GIVEN, name, NOT_GIVEN, NOT_GIVEN)).encode("utf-8", "replace")


def _known(value: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in value.items() if each is not None}


def _start_of(segment: dict[str, Any]) -> float:
    return float(segment["start"])


FORMAT = Format(
    rttm_pieces, rttm_entry, endings=(".rttm",), is_text=True, counted=(REPEATED_SEGMENTS, WORDS_WITHOUT_SEGMENT)
)
