"""WhisperX: a JSON document for each audio file (`--output_format json`). That of openai-whisper is read as well.

The recording is named as the file is, without folder and endings: `meeting.json` belongs to the audio `meeting`. A
document that is only the list of its segments works, too.

| in the document | in the entry |
|---|---|
| the file's name | `audio_item_id` |
| `language` | `language` |
| `segments` | `segments`, by start |
| `word_segments`, `text` | left out: they repeat the segments |
| any other field | the same field |

| in a segment | in the segment of the entry |
|---|---|
| `start`, `end` | the same; needed |
| `speaker` | the same. Where it is missing, the speaker whose words last longest together; where none has one, none |
| `text` | the same, without white space around it |
| `words` | `words`; left out where there are none |
| `chars`, `tokens`, `seek` | left out: they repeat the text, or are only of use to the model |
| any other field (`id`, `avg_logprob`, `no_speech_prob`, ...) | the same field |

| in a word | in the word of the entry |
|---|---|
| `word` | the same, without white space around it |
| `start`, `end` | the same; left out where the word was not aligned |
| `score` (WhisperX), `probability` (openai-whisper) | `confidence` |
| `speaker` | the same; left out where it is that of the segment |
| any other field | the same field |
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from alm_beam.core.faults import BadEntry, RejectReason, described
from alm_beam.formats.format import Format, Piece
from alm_beam.formats.json_fields import (
    label,
    number,
    optional_seconds,
    place,
    start_and_end,
    text,
    without_missing,
)
from alm_beam.formats.json_text import json_value

_DOCUMENT, _SEGMENT = "document", "segment"

_REPEATED = {"segments", "word_segments", "text"}
_NOT_KEPT = {"start", "end", "speaker", "text", "words", "chars", "tokens", "seek"}
_OF_WORD = {"word", "start", "end", "score", "probability", "confidence", "speaker"}


def pieces(document: bytes, name: str) -> Iterator[Piece]:
    """What a document holds: its own fields as one piece, then a piece for each segment.

    Args:
        document: the content of the file.
        name: the name of the file without folder and endings.

    Raises:
        BadEntry: the document is no JSON, or not of WhisperX, or something in it is malformed.

    >>> document = b'{"segments": [{"start": 0.5, "end": 2, "text": " Good morning.", "speaker": "SPEAKER_00"}]}'
    >>> [piece.value for piece in pieces(document, "meeting")]
    [{}, {'start': 0.5, 'end': 2, 'speaker': 'SPEAKER_00', 'text': 'Good morning.'}]
    """
    value = json_value(document, "document")
    fields = {"segments": value} if type(value) is list else value
    if type(fields) is not dict:
        detail = f"expected a JSON object with `segments`, found {described(value)}"
        raise BadEntry(RejectReason.NOT_OBJECT, detail)
    segments = _segments(fields)
    own = {field: value for field, value in fields.items() if field not in _REPEATED and value is not None}
    text(own, "language", "")
    checked = [_segment(segment, f"segments[{index}]") for index, segment in enumerate(segments)]
    yield Piece(name, _DOCUMENT, own)
    for segment in checked:
        yield Piece(name, _SEGMENT, segment)


def entry(recording: str, pieces: Sequence[Piece]) -> dict[str, Any]:
    """The entry of a recording.

    Raises:
        BadEntry: two documents have its name.
    """
    documents = [piece.value for piece in pieces if piece.kind == _DOCUMENT]
    if len(documents) > 1:
        detail = (
            f"{len(documents)} documents are named {recording!r}; give each recording a file of a name of its own, or "
            "convert folders in which names repeat one by one"
        )
        raise BadEntry(RejectReason.RECORDINGS_DIFFER, detail)
    segments = [piece.value for piece in pieces if piece.kind == _SEGMENT]
    segments.sort(key=lambda segment: segment["start"])
    return {"audio_item_id": recording, **documents[0], "segments": segments}


def _segments(fields: dict[str, Any]) -> list[Any]:
    segments = fields.get("segments")
    if segments is None:
        raise BadEntry(RejectReason.SEGMENTS_MISSING, "the document has no field 'segments', as WhisperX writes it")
    if type(segments) is not list:
        raise BadEntry(RejectReason.SEGMENTS_NOT_LIST, f"segments: expected a list, found {described(segments)}")
    return segments


def _segment(fields: Any, at: str) -> dict[str, Any]:
    if type(fields) is not dict:
        raise BadEntry(RejectReason.SEGMENT_NOT_OBJECT, f"{at}: expected an object, found {described(fields)}")
    start, end = start_and_end(fields, at)
    words = _words(fields, at)
    speaker = label(fields, "speaker", at)
    if speaker is None:
        speaker = _speaker_of(words)
    spoken = text(fields, "text", at)
    for word in words:
        if word.get("speaker") == speaker:
            word.pop("speaker", None)
    segment = {"start": start, "end": end, "speaker": speaker, "text": None if spoken is None else spoken.strip()}
    others = {name: value for name, value in fields.items() if name not in _NOT_KEPT}
    return without_missing({**segment, **others, "words": words or None})


def _words(fields: dict[str, Any], at: str) -> list[dict[str, Any]]:
    words = fields.get("words")
    if words is None:
        return []
    if type(words) is not list:
        raise _malformed_words(place(at, "words"), "a list", words)
    return [_word(word, f"{at}.words[{index}]") for index, word in enumerate(words)]


def _word(fields: Any, at: str) -> dict[str, Any]:
    if type(fields) is not dict:
        raise _malformed_words(at, "an object", fields)
    spoken = fields.get("word")
    if type(spoken) is not str:
        raise _malformed_words(place(at, "word"), "a string", spoken)
    scores = (number(fields, name, at) for name in ("score", "probability", "confidence"))
    word = {
        "word": spoken.strip(),
        "start": optional_seconds(fields, "start", at),
        "end": optional_seconds(fields, "end", at),
        "confidence": next((score for score in scores if score is not None), None),
        "speaker": label(fields, "speaker", at),
    }
    others = {name: value for name, value in fields.items() if name not in _OF_WORD}
    return without_missing({**word, **others})


def _malformed_words(at: str, expected: str, found: object) -> BadEntry:
    return BadEntry(RejectReason.WORDS_MALFORMED, f"{at}: expected {expected}, found {described(found)}")


def _speaker_of(words: list[dict[str, Any]]) -> str | int | None:
    """Whose words last longest together; of equals, who speaks first. None if no word names a speaker."""
    lasts: defaultdict[str | int, float] = defaultdict(float)
    for word in words:
        if "speaker" in word:
            lasts[word["speaker"]] += max(word["end"] - word["start"], 0) if {"start", "end"} <= word.keys() else 0
    return max(lasts, key=lambda speaker: lasts[speaker], default=None)


FORMAT = Format(pieces=pieces, entry=entry, is_document=True)
"""WhisperX's documents. They are named `.json`, as much else is."""
