"""Where a segment can be cut: at the ends of its words."""

from bisect import bisect_right
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias

from alm_beam.core.manifest import NUMBER, BadEntry, RejectReason, Segment, described

Word: TypeAlias = dict[str, Any]

_END = itemgetter("end")
_WORD = itemgetter("word")


@dataclass(slots=True)
class Cut:
    """What truncation makes of a segment; its other fields stay.

    Attributes:
        end: seconds, the end of the last of the kept words, in their order; the segment's own start if none is kept.
        text: the kept words, joined by spaces.
        among, count: the kept words are the first so many of these.
    """

    end: float
    text: str
    among: list[Word]
    count: int

    @property
    def words(self) -> list[Word]:
        """The kept words."""
        return self.among[: self.count]


class Cuts:
    """The segments of a recording, cut."""

    __slots__ = ("_cut_points", "_segments")

    def __init__(self, segments: list[Segment]):
        self._segments = segments
        self._cut_points: dict[int, _CutPoints] = {}

    def of(self, index: int, limit: float) -> Cut:
        """What is left of a segment when it keeps the words that end by `limit` (seconds).

        Raises:
            BadEntry: its words are not a list of objects with an end in seconds, or the `word` of a kept one is no
                string.
        """
        segment = self._segments[index]
        if "words" not in segment:
            return Cut(segment["start"], "", [], 0)
        points = self._cut_points.get(index)
        if points is None:
            at = f"segments[{index}].words"
            points = self._cut_points[index] = _CutPoints(segment["start"], segment["words"], at)
        return points.cut(limit)


class _CutPoints:
    """The words of one segment, looked through once for all the windows that cut it.

    Where the words' ends rise, those that end by some time are the first so many, and bisection tells how many. Windows
    that start later cut later, so the text of one mostly begins with that of the one before. Words in disorder are gone
    through again for each cut.
    """

    __slots__ = ("_at", "_count", "_ends", "_rising", "_start", "_text", "_words")

    def __init__(self, start: float, words: Any, at: str):
        self._start, self._words, self._at = start, words, at
        self._count, self._text = 0, ""
        if type(words) is not list:
            raise BadEntry(RejectReason.WORDS_MALFORMED, f"{at}: expected a list, found {described(words)}")
        try:
            self._ends = ends = list(map(_END, words))
        except (KeyError, TypeError):
            raise self._first_fault() from None
        if not NUMBER.issuperset(map(type, ends)):
            raise self._first_fault()
        self._rising = ends == sorted(ends)

    def cut(self, limit: float) -> Cut:
        if not self._rising:
            words = [word for word, end in zip(self._words, self._ends) if end <= limit]
            return Cut(words[-1]["end"] if words else self._start, self._text_of(words), words, len(words))
        count = bisect_right(self._ends, limit)
        if count < self._count:
            self._count, self._text = 0, ""
        if count > self._count:
            more = self._text_of(self._words[self._count : count])
            self._text = f"{self._text} {more}" if self._text and more else self._text or more
            self._count = count
        return Cut(self._ends[count - 1] if count else self._start, self._text, self._words, count)

    def _text_of(self, words: list[Word]) -> str:
        try:
            return " ".join(filter(None, map(_WORD, words)))
        except KeyError:
            return self._text_of([word for word in words if "word" in word])
        except TypeError:
            raise self._first_fault() from None

    def _first_fault(self) -> BadEntry:
        for index, word in enumerate(self._words):
            if type(word) is not dict or type(word.get("end")) not in NUMBER:
                detail = f"[{index}]: expected an object with an end in seconds, found {described(word)}"
                return BadEntry(RejectReason.WORDS_MALFORMED, self._at + detail)
            if type(word.get("word") or "") is not str:
                detail = f"[{index}].word: expected a string, found {described(word['word'])}"
                return BadEntry(RejectReason.WORDS_MALFORMED, self._at + detail)
        raise AssertionError("the words were refused, yet each of them was accepted")
