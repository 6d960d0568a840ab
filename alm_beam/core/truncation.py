"""Where a segment can be cut: at the ends of its words."""

from bisect import bisect_right
from operator import itemgetter
from typing import Any, NamedTuple

from alm_beam.core.manifest import NUMBER, BadEntry, RejectReason, Segment, described

_END = itemgetter("end")
_WORD = itemgetter("word")


class Cut(NamedTuple):
    """What truncation makes of a segment; its other fields stay.

    Attributes:
        end: seconds, the end of the last of the kept words, in their order; the segment's own start if none is kept.
        text: the kept words, joined by spaces.
        words: the kept words.
    """

    end: float
    text: str
    words: list[dict[str, Any]]


class CutPoints:
    """The words of one segment, looked through once for all the windows that cut it.

    Where the words' ends rise, those that end by some time are the first so many: bisection tells how many, and their
    text is the beginning of the text of all.
    """

    __slots__ = ("_ends", "_index", "_lengths", "_start", "_text", "_words")

    def __init__(self, segment: Segment, index: int):
        """
        Args:
            segment: the segment, as in the manifest.
            index: its index in the recording, for messages.

        Raises:
            BadEntry: its words are not a list of objects with an end in seconds.
        """
        self._index, self._start = index, segment["start"]
        self._words = words = segment.get("words", [])
        self._text: str | None = None
        self._ends: list[float] = []
        self._lengths: list[int] = []
        if words == []:
            self._text = ""
            return
        if type(words) is not list:
            raise self._fault(f": expected a list, found {described(words)}")
        try:
            self._ends = list(map(_END, words))
        except (KeyError, TypeError):
            raise self._first_fault() from None
        if not NUMBER.issuperset(map(type, self._ends)):
            raise self._first_fault()
        if self._ends == sorted(self._ends):
            self._read_text()

    def _read_text(self) -> None:
        """Joins the words' text, unless a word is missing, empty or no string."""
        try:
            texts = list(map(_WORD, self._words))
            text = " ".join(texts)
        except (KeyError, TypeError):
            return
        self._lengths = list(map(len, texts))
        if all(self._lengths):
            self._text = text

    def cut(self, limit: float) -> Cut:
        """What is left of the segment when it keeps the words that end by `limit` (seconds).

        Raises:
            BadEntry: the `word` of a kept word is no string.
        """
        if self._text is not None:
            count = bisect_right(self._ends, limit)
            kept = self._words[:count]
            text = self._text[: sum(self._lengths[:count]) + count - 1] if count else ""
        else:
            kept = [word for word, end in zip(self._words, self._ends) if end <= limit]
            try:
                text = " ".join(filter(None, [word.get("word") for word in kept]))
            except TypeError:
                raise self._first_fault() from None
        return Cut(kept[-1]["end"] if kept else self._start, text, kept)

    def _first_fault(self) -> BadEntry:
        for at, word in enumerate(self._words):
            if type(word) is not dict or type(word.get("end")) not in NUMBER:
                return self._fault(f"[{at}]: expected an object with an end in seconds, found {described(word)}")
            if type(word.get("word") or "") is not str:
                return self._fault(f"[{at}].word: expected a string, found {described(word['word'])}")
        raise AssertionError("the words were refused, yet each of them was accepted")

    def _fault(self, detail: str) -> BadEntry:
        return BadEntry(RejectReason.WORDS_MALFORMED, f"segments[{self._index}].words{detail}")
