"""Truncation: a segment that crosses the maximum duration of a window is shortened at the end of one of its words.

The words that end in time are kept. A word without an end (WhisperX gives none to figures and symbols) is kept if the
word before it is; at the beginning, if the first word with an end is. If no word has an end, none is kept.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import msgspec

from alm_beam.core.faults import NUMBER, BadEntry, RejectReason, Segment, described, too_deep
from alm_beam.core.manifest import Recording, parsed_words

_TIMES = NUMBER | {type(None)}


class _Word(msgspec.Struct, gc=False):
    """The fields that truncation reads of a usual word."""

    end: int | float
    word: str


_decode_words = msgspec.json.Decoder(list[_Word]).decode

_HELD_CHARS = 2**20
"""So many characters the truncations of one segment may hold as texts; further texts are joined when they are read.

Otherwise all texts of a long segment together would grow with its words times the windows that truncate it.
"""


class SegmentWords:
    """The words of one segment, parsed once for all the windows that truncate it.

    If the ends of the words ascend, the words that end by some time are the first few, and bisection tells how many.
    Windows that start later truncate later, so their text mostly begins with the text of the window before: only the
    further words are joined. Words in disorder are filtered again for each window.
    """

    __slots__ = ("_ascending", "_count", "_ends", "_held_chars", "_not_texts", "_start", "_text", "_texts")

    def __init__(self, recording: Recording, index: int):
        """
        Args:
            recording: the recording of the segment.
            index: index of the segment in it. It has words.

        Raises:
            BadEntry: the words are neither a list of objects and strings, nor a string, nor null; or the end of one is
                neither a number of seconds nor null.
        """
        self._start, self._count, self._text, self._held_chars = recording.starts[index], 0, "", 0
        self._not_texts: list[tuple[int, BadEntry]] = []
        try:
            usual = _decode_words(recording.words[index])
        except msgspec.MsgspecError:
            self._ends, self._texts, self._not_texts = _unusual(
                parsed_words(recording, index), recording.place_of(index)
            )
        except RecursionError:  # this call is a few frames deeper than the one that read the line
            raise too_deep() from None
        else:
            self._ends, self._texts = [word.end for word in usual], [word.word for word in usual]
        self._ascending = self._ends == sorted(self._ends)

    def truncate(self, limit: float) -> "Truncation":
        """What is left of the segment if the words that end by `limit` (seconds) are kept.

        Raises:
            BadEntry: the text of one of these words is not a string.
        """
        ends = self._ends
        for at, fault in self._not_texts:
            if ends[at] <= limit:
                raise fault
        if not self._ascending:
            ends = [end for end in ends if end <= limit]
            return Truncation(ends[-1], limit, self) if ends else Truncation(self._start, limit)
        count = bisect_right(ends, limit)
        if not count:
            return Truncation(self._start, limit)
        if self._held_chars > _HELD_CHARS:
            return Truncation(ends[count - 1], limit, self)
        if count < self._count:
            self._count, self._text = 0, ""
        if count > self._count:
            more = " ".join(filter(None, self._texts[self._count : count]))
            self._text = f"{self._text} {more}" if self._text and more else self._text or more
            self._count = count
            self._held_chars += len(self._text)
        return Truncation(ends[count - 1], limit, self._text)

    def end_by(self, limit: float) -> float:
        """The end that `truncate` gives, seconds, without the text.

        Raises:
            BadEntry: see `truncate`.
        """
        ends = self._ends
        for at, fault in self._not_texts:
            if ends[at] <= limit:
                raise fault
        if not self._ascending:
            return next((end for end in reversed(ends) if end <= limit), self._start)
        count = bisect_right(ends, limit)
        return ends[count - 1] if count else self._start

    def text_by(self, limit: float) -> str:
        """The words that end by `limit` (seconds), joined by spaces."""
        return " ".join([text for text, end in zip(self._texts, self._ends) if text and end <= limit])

    def times(self) -> tuple[float, float] | None:
        """The earliest and the latest end of a word, seconds; infinite if no word states one. None without words."""
        ends = self._ends
        if not ends:
            return None
        return (ends[0], ends[-1]) if self._ascending else (min(ends), max(ends))

    def precede_segment(self) -> bool:
        """Whether the last of the words ends before the segment starts."""
        ends = self._ends
        return bool(ends) and (ends[-1] if self._ascending else max(ends)) < self._start


@dataclass(slots=True)
class Truncation:
    """What changes in a truncated segment; its other fields stay.

    Attributes:
        end: seconds, the end of the last of the kept words, in their order; the segment's own start if none is kept.
        limit: seconds; the kept words are those that end by then.
        kept: the kept words, joined by spaces, or all words of the segment, to join them from; None if none is kept.
    """

    end: float
    limit: float
    kept: str | SegmentWords | None = None

    @property
    def text(self) -> str:
        """The kept words, joined by spaces."""
        kept = self.kept
        return kept.text_by(self.limit) if isinstance(kept, SegmentWords) else kept or ""


def truncated(segment: Segment, truncation: Truncation, *, keeps_words: bool) -> Segment:
    """A truncated copy of a segment.

    Args:
        segment: the segment; with its words if they are to be kept.
        truncation: what changes.
        keeps_words: give the copy the kept words. Without it the field `words` is copied as it is.

    >>> words = [{"word": "good", "end": 1.0}, {"word": "2"}, {"word": "morning", "end": 2.0}]
    >>> segment = {"start": 0.5, "end": 2.5, "text": "good 2 morning", "words": words}
    >>> truncated(segment, Truncation(end=1.0, limit=1.5, kept="good 2"), keeps_words=True)
    {'start': 0.5, 'end': 1.0, 'text': 'good 2', 'words': [{'word': 'good', 'end': 1.0}, {'word': '2'}]}
    """
    kept = truncation.kept
    text = truncation.text if type(kept) is SegmentWords else kept or ""  # the property takes longer
    copy = {**segment, "end": truncation.end, "text": text}
    if keeps_words:
        words = segment.get("words")
        listed = words if type(words) is list else []  # one string has no end, so it is not kept
        ends = _filled([word.get("end") if type(word) is dict else None for word in listed])
        copy["words"] = [word for word, end in zip(listed, ends) if end <= truncation.limit]
    return copy


class Truncator:
    """Truncates the segments of one recording, and reads the words of each of them once.

    Attributes:
        relative_words: how many of the segments have words that all end before the segment starts. Word times that
            count from the start of the segment, instead of the recording's, look so.
    """

    __slots__ = ("_read", "_recording", "relative_words")

    def __init__(self, recording: Recording):
        self._recording = recording
        self._read: dict[int, SegmentWords] = {}
        self.relative_words = 0

    def truncate(self, index: int, limit: float) -> Truncation:
        """What is left of a segment that keeps the words that end by `limit` (seconds).

        Raises:
            BadEntry: the words are malformed: see `SegmentWords`.
        """
        recording = self._recording
        if not recording.words[index]:
            return Truncation(recording.starts[index], limit)
        words = self._read.get(index)
        if words is None:
            words = self._read[index] = SegmentWords(recording, index)
            self.relative_words += words.precede_segment()
        return words.truncate(limit)


class TimesTruncator(Truncator):
    """Truncates as a `Truncator` does, but gives times alone: windows that are counted, and not written, need no text.

    One of them serves all configurations of windows of a recording, so that words are read once.
    """

    __slots__ = ()

    def truncate(self, index: int, limit: float) -> Truncation:
        """The end of a segment that keeps the words that end by `limit` (seconds); `kept` is None.

        Raises:
            BadEntry: the words are malformed: see `SegmentWords`.
        """
        recording = self._recording
        if not recording.words[index]:
            return Truncation(recording.starts[index], limit)
        words = self._read.get(index)
        if words is None:
            words = self._read[index] = SegmentWords(recording, index)
        return Truncation(words.end_by(limit), limit)


def _filled(ends: list[Any]) -> list[float]:
    """The ends of words, where a word without one has that of the word before it.

    At the beginning it has that of the first word with one. If no word has one, all end too late for any window.
    """
    first = next((end for end in ends if end is not None), math.inf)
    return list(accumulate(ends, lambda before, end: before if end is None else end, initial=first))[1:]


def _unusual(words: Any, segment: str) -> tuple[list[float], list[str], list[tuple[int, BadEntry]]]:
    """Words that are not all objects with an end and a string `word`.

    Some tools write `text` instead of `word`. A plain string is a word without an end, and so is a single one in place
    of the list; null is no words.

    Args:
        words: the words.
        segment: where their segment is, for messages.

    Returns:
        The ends and the texts of the words, and the place and the fault of each text that is not a string. Such a fault
        matters only if the word is kept.

    Raises:
        BadEntry: the words have yet another form, or the end of one is no time.
    """
    listed = [words] if type(words) is str else [] if words is None else words
    if type(listed) is not list:
        raise _malformed(f"{segment}.words", "a list", words)
    ends: list[Any] = []
    texts: list[str] = []
    not_texts: list[tuple[int, BadEntry]] = []
    for at, word in enumerate(listed):
        place = f"{segment}.words[{at}]"
        fields = {"word": word} if type(word) is str else word
        if type(fields) is not dict:
            raise _malformed(place, "an object with `word` and `end`, or a string", word)
        end, field = fields.get("end"), "text" if fields.get("word") is None else "word"
        if type(end) not in _TIMES:
            raise _malformed(f"{place}.end", "a number of seconds, or null", end)
        text = fields.get(field) or ""
        if type(text) is not str:
            not_texts.append((at, _malformed(f"{place}.{field}", "a string", text)))
        ends.append(end)
        texts.append(text)
    return _filled(ends), texts, not_texts


def _malformed(place: str, expected: str, found: object) -> BadEntry:
    return BadEntry(RejectReason.WORDS_MALFORMED, f"{place}: expected {expected}, found {described(found)}")
