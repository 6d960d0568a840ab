"""Where a segment can be cut: at the ends of its words."""

from bisect import bisect_right
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from alm_beam.core.manifest import (
    NUMBER,
    BadEntry,
    Recording,
    RejectReason,
    Segment,
    described,
    parsed_words,
    too_deep,
)

_WORD = attrgetter("word")


@dataclass(slots=True)
class Cut:
    """What truncation makes of a segment; its other fields stay.

    Attributes:
        end: seconds, the end of the last of the kept words, in their order; the segment's own start if none is kept.
        text: the kept words, joined by spaces.
        limit: seconds; the kept words are those that end by then.
    """

    end: float
    text: str
    limit: float


def shortened(segment: Segment, cut: Cut, *, keeps_words: bool) -> Segment:
    """A copy of the segment, cut.

    Args:
        segment: as the recording has it, or with its words.
        cut: what truncation makes of it.
        keeps_words: the segment has its words, and those that are kept are wanted.
    """
    less = {**segment, "end": cut.end, "text": cut.text}
    if keeps_words:
        less["words"] = [word for word in segment.get("words", []) if word["end"] <= cut.limit]
    return less


class _Word(msgspec.Struct, gc=False):
    """What truncation has to know of a word."""

    end: Any
    word: Any = None


_words = msgspec.json.Decoder(list[_Word])


class Cuts:
    """The segments of a recording, cut."""

    __slots__ = ("_cut_points", "_starts", "_words")

    def __init__(self, recording: Recording):
        self._starts, self._words = recording.starts, recording.words
        self._cut_points: dict[int, _CutPoints] = {}

    def of(self, index: int, limit: float) -> Cut:
        """What is left of a segment when it keeps the words that end by `limit` (seconds).

        Raises:
            BadEntry: its words are not a list of objects with an end in seconds, or the `word` of a kept one is no
                string.
        """
        words = self._words[index]
        if not words:
            return Cut(self._starts[index], "", limit)
        points = self._cut_points.get(index)
        if points is None:
            points = self._cut_points[index] = _CutPoints(self._starts[index], words, index)
        return points.cut(limit)


class _CutPoints:
    """The words of one segment, looked through once for all the windows that cut it.

    Where the words' ends rise, those that end by some time are the first so many, and bisection tells how many. Windows
    that start later cut later, so the text of one mostly begins with that of the one before. Words in disorder are gone
    through again for each cut.
    """

    __slots__ = ("_count", "_ends", "_index", "_json", "_rising", "_start", "_text", "_words")

    def __init__(self, start: float, words: bytes, index: int):
        self._start, self._json, self._index = start, words, index
        self._count, self._text = 0, ""
        try:
            self._words = _words.decode(words)
        except msgspec.MsgspecError:
            raise self._first_fault() from None
        except RecursionError:  # which the reading of the line may have escaped by a few frames
            raise too_deep() from None
        self._ends = ends = [word.end for word in self._words]
        if not NUMBER.issuperset(map(type, ends)):
            raise self._first_fault()
        self._rising = ends == sorted(ends)

    def cut(self, limit: float) -> Cut:
        if not self._rising:
            kept = [at for at, end in enumerate(self._ends) if end <= limit]
            end = self._ends[kept[-1]] if kept else self._start
            return Cut(end, self._text_of([self._words[at] for at in kept]), limit)
        count = bisect_right(self._ends, limit)
        if count < self._count:
            self._count, self._text = 0, ""
        if count > self._count:
            more = self._text_of(self._words[self._count : count])
            self._text = f"{self._text} {more}" if self._text and more else self._text or more
            self._count = count
        return Cut(self._ends[count - 1] if count else self._start, self._text, limit)

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
