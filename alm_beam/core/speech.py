"""How much of a stretch of audio is speech, how much of that overlaps, and how often the speaker changes."""

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate
from operator import add, ne, sub
from types import NoneType

from alm_beam.core.speaker_labels import SpeakerLabel


def speech_seconds(
    starts: Sequence[float], ends: Sequence[float], begin: float, end: float, *, are_ordered: bool
) -> tuple[float, float, float]:
    """How long nobody speaks from `begin` to `end`, how long several do at a time, and the longest pause. In seconds.

    Args:
        starts: the starts of the segments, seconds, none after `end`.
        ends: the ends of the segments, seconds, none after `end`.
        begin: seconds.
        end: seconds.
        are_ordered: whether the starts ascend.

    >>> speech_seconds([0.0, 1.0, 8.0], [4.0, 6.0, 9.0], 0.0, 10.0, are_ordered=True)
    (3.0, 3.0, 2.0)
    """
    silence = overlap = longest_gap = 0.0
    latest = second = begin  # of the ends so far, the latest and the one before it
    for start, stop in zip(starts, ends) if are_ordered else sorted(zip(starts, ends)):
        if start >= latest:
            gap = start - latest
            silence += gap
            if gap > longest_gap:
                longest_gap = gap
            latest = stop
            continue
        both_until = stop if stop < latest else latest
        both_from = start if start > second else second
        if both_until > both_from:
            overlap += both_until - both_from
        if stop > latest:
            latest, second = stop, latest
        elif stop > second:
            second = stop
    rest = end - latest
    if rest > 0:
        silence += rest
        longest_gap = max(longest_gap, rest)
    return silence, overlap, longest_gap


class WindowSpeech:
    """The speech in windows of a recording, which its segments are looked at once for.

    Attributes:
        are_plain: whether it can tell of windows that hold their segments as a whole: each segment has one known
            speaker, and the starts ascend.

    >>> speech = WindowSpeech([0.0, 5.0, 9.0], [4.0, 8.0, 12.0], ["anna", "ben", "ben"], are_ordered=True)
    >>> speech.seconds(0, 2, 0.0, 8.0, [4.0, 8.0]), speech.turns(0, 3)
    ((1.0, 0.0, 1.0), 1)
    """

    __slots__ = ("_changes", "_pauses", "_starts", "are_plain")

    def __init__(
        self, starts: list[float], ends: list[float], labels: Sequence[SpeakerLabel], *, are_ordered: bool
    ) -> None:
        """
        Args:
            starts: of all segments, seconds.
            ends: of all segments, seconds.
            labels: of all segments.
            are_ordered: whether the starts ascend.
        """
        self.are_plain = are_ordered and set(map(type, labels)) == {str}
        self._starts = starts
        if self.are_plain:
            self._pauses = list(map(sub, starts[1:], ends))
            self._changes = list(accumulate(map(ne, labels, labels[1:]), initial=0))

    def seconds(
        self, first: int, stop: int, begin: float, end: float, ends: Sequence[float]
    ) -> tuple[float, float, float]:
        """`speech_seconds` of the segments from `first` to `stop`, from `begin` to `end`.

        Args:
            first: index of the first segment.
            stop: index after the last one.
            begin: seconds.
            end: seconds.
            ends: of these segments, seconds; the last one may be truncated.
        """
        pauses = [self._starts[first] - begin, *self._pauses[first : stop - 1], end - ends[-1]]
        if min(pauses) >= 0:  # nobody speaks while another does, which is usual, and takes no loop
            return reduce(add, pauses), 0.0, max(pauses)
        return speech_seconds(self._starts[first:stop], ends, begin, end, are_ordered=True)

    def turns(self, first: int, stop: int) -> int:
        """`turns` of the segments from `first` to `stop`."""
        changes: list[int] = self._changes
        return changes[stop - 1] - changes[first]


def turns(labels: Sequence[SpeakerLabel], kinds: set[type]) -> int:
    """How often a segment has another speaker, or other speakers, than the last one before it that has any.

    Args:
        labels: the labels of the segments.
        kinds: the types among them.

    >>> labels = ["anna", None, "anna", "ben", ("anna", "ben"), ("ben", "anna")]
    >>> turns(labels, set(map(type, labels)))
    2
    """
    speaking: Sequence[object] = labels
    if NoneType in kinds:
        speaking = [label for label in labels if label is not None]
    if tuple in kinds:
        speaking = [frozenset(label) if isinstance(label, tuple) else label for label in speaking]
    return sum(map(ne, speaking, speaking[1:]))
