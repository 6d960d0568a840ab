"""Truncation: a segment that crosses the maximum duration of a window is shortened at the end of one of its words."""

from bisect import bisect_right
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from alm_beam.core.faults import NUMBER, BadEntry, RejectReason, Segment, described, too_deep
from alm_beam.core.manifest import Recording, parsed_words

_WORD = attrgetter("word")


@dataclass(slots=True)
class Truncation:
    """What changes in a truncated segment; its other fields stay.

    Attributes:
        end: seconds, the end of the last of the kept words, in their order; the segment's own start if none is kept.
        text: the kept words, joined by spaces.
        limit: seconds; the kept words are those that end by then.
    """

    end: float
    text: str
    limit: float


def truncated(segment: Segment, truncation: Truncation, *, keeps_words: bool) -> Segment:
    """A truncated copy of a segment.

    Args:
        segment: the segment; with its words if they are to be kept.
        truncation: what changes.
        keeps_words: give the copy the kept words. Without it the field `words` is copied as it is.

    >>> words = [{"word": "good", "end": 1.0}, {"word": "morning", "end": 2.0}]
    >>> segment = {"start": 0.5, "end": 2.5, "text": "good morning", "words": words}
    >>> truncated(segment, Truncation(end=1.0, text="good", limit=1.5), keeps_words=True)
    {'start': 0.5, 'end': 1.0, 'text': 'good', 'words': [{'word': 'good', 'end': 1.0}]}
    """
    copy = {**segment, "end": truncation.end, "text": truncation.text}
    if keeps_words:
        copy["words"] = [word for word in segment.get("words", []) if word["end"] <= truncation.limit]
    return copy


class _Word(msgspec.Struct, gc=False):
    """The fields of a word that truncation reads."""

    end: Any
    word: Any = None


_words = msgspec.json.Decoder(list[_Word])


class Truncator:
    """Truncates the segments of one recording, and reads the words of each of them once."""

    __slots__ = ("_segment_words", "_starts", "_words")

    def __init__(self, recording: Recording):
        self._starts, self._words = recording.starts, recording.words
        self._segment_words: dict[int, _SegmentWords] = {}

    def truncate(self, index: int, limit: float) -> Truncation:
        """What is left of a segment that keeps the words that end by `limit` (seconds).

        Raises:
            BadEntry: the words are not a list of objects with an end in seconds, or the `word` of a kept one is not a
                string.
        """
        words = self._words[index]
        if not words:
            return Truncation(self._starts[index], "", limit)
        parsed = self._segment_words.get(index)
        if parsed is None:
            parsed = self._segment_words[index] = _SegmentWords(self._starts[index], words, index)
        return parsed.truncate(limit)


class _SegmentWords:
    """The words of one segment, parsed once for all the windows that truncate it.

    If the ends of the words ascend, the words that end by some time are the first few, and bisection tells how many.
    Windows that start later truncate later, so their text mostly begins with the text of the window before: only the
    further words are joined. Words in disorder are filtered again for each window.
    """

    __slots__ = ("_ascending", "_count", "_ends", "_index", "_json", "_start", "_text", "_words")

    def __init__(self, start: float, words: bytes, index: int):
        self._start, self._json, self._index = start, words, index
        self._count, self._text = 0, ""
        try:
            self._words = _words.decode(words)
        except msgspec.MsgspecError:
            raise self._first_fault() from None
        except RecursionError:  # this call is a few frames deeper than the one that read the line
            raise too_deep() from None
        self._ends = ends = [word.end for word in self._words]
        if not NUMBER.issuperset(map(type, ends)):
            raise self._first_fault()
        self._ascending = ends == sorted(ends)

    def truncate(self, limit: float) -> Truncation:
        if not self._ascending:
            kept = [at for at, end in enumerate(self._ends) if end <= limit]
            end = self._ends[kept[-1]] if kept else self._start
            return Truncation(end, self._text_of([self._words[at] for at in kept]), limit)
        count = bisect_right(self._ends, limit)
        if count < self._count:
            self._count, self._text = 0, ""
        if count > self._count:
            more = self._text_of(self._words[self._count : count])
            self._text = f"{self._text} {more}" if self._text and more else self._text or more
            self._count = count
        return Truncation(self._ends[count - 1] if count else self._start, self._text, limit)

    def _text_of(self, words: list[_Word]) -> str:
        try:
            return " ".join(filter(None, map(_WORD, words)))
        except TypeError:
            raise self._first_fault() from None

    def _first_fault(self) -> BadEntry:
        at, words = f"segments[{self._index}].words", parsed_words(self._json, self._index)
        if type(words) is not list:
            return BadEntry(RejectReason.WORDS_MALFORMED, f"{at}: expected a list, found {described(words)}")
        for index, word in enumerate(words):
            if type(word) is not dict or type(word.get("end")) not in NUMBER:
                detail = f"[{index}]: expected an object with an end in seconds, found {described(word)}"
                return BadEntry(RejectReason.WORDS_MALFORMED, at + detail)
            if type(word.get("word") or "") is not str:
                detail = f"[{index}].word: expected a string, found {described(word['word'])}"
                return BadEntry(RejectReason.WORDS_MALFORMED, at + detail)
        raise AssertionError("the words were refused, yet each of them was accepted")
