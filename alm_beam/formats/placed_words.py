"""Words that an aligner or a recogniser gives by themselves, put into the segments in which they were spoken."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

TOLERANCE = 0.25
"""Seconds by which a word may be outside of the segment that it is put into: the collar of diarization's scores."""

_SIDES = {"A": "1", "B": "2"}


class Word(NamedTuple):
    """A word by itself.

    Attributes:
        value: as a segment has it: `word`, `start`, `end` (seconds), perhaps `confidence`.
        channel: as it was written; None where it was not.
        speaker: who says it, where that is stated.
    """

    value: dict[str, Any]
    channel: str | None = None
    speaker: str | None = None


def place_words(segments: Sequence[dict[str, Any]], words: Iterable[Word]) -> int:
    """Puts each word into the segment that has most of its time; gives how many are in none.

    Of several segments with as much of it, the first has the word. A word that is in no segment goes to the nearest
    one, if that is at most TOLERANCE away. A word and a segment that state different channels, or different speakers,
    do not belong together; A and B are channels 1 and 2, and where a 0 is among the channels, they count from there.
    The segments get `words`, by time, and `text`: the words with a space between each two.

    Args:
        segments: by start; they are changed.
        words: in any order. Of equal ones, one counts.

    >>> turns = [{"start": 0, "end": 2, "speaker": "a"}, {"start": 1.5, "end": 4, "speaker": "b"}]
    >>> spoken = [("good", 0.2, 0.5), ("morning", 1.4, 1.9), ("hello", 2.0, 2.5), ("bye", 9, 9.5)]
    >>> place_words(turns, [Word({"word": word, "start": start, "end": end}) for word, start, end in spoken])
    1
    >>> [turn["text"] for turn in turns]
    ['good morning', 'hello']
    """
    ordered = sorted(_distinct(words), key=lambda word: (word.value["start"], word.value["end"]))
    segment_channels = _numbered(segment.get("channel") for segment in segments)
    word_channels = _numbered(word.channel for word in ordered)
    groups: defaultdict[tuple[str | None, str | None], list[dict[str, Any]]] = defaultdict(list)
    for word in ordered:
        groups[word_channels.get(word.channel), word.speaker].append(word.value)
    placed: dict[int, list[dict[str, Any]]] = {}
    outside = 0
    for (channel, speaker), values in groups.items():
        eligible = [
            index
            for index, segment in enumerate(segments)
            if channel in (None, own := segment_channels.get(segment.get("channel"))) or own is None
            if speaker in (None, segment.get("speaker"))
        ]
        for value, found in zip(values, _places([segments[each] for each in eligible], values)):
            if found is None:
                outside += 1
            else:
                placed.setdefault(eligible[found], []).append(value)
    for index, values in placed.items():
        values.sort(key=lambda value: (value["start"], value["end"]))
        segments[index]["text"] = " ".join(value["word"] for value in values)
        segments[index]["words"] = values
    return outside


def _places(segments: Sequence[dict[str, Any]], words: Iterable[dict[str, Any]]) -> list[int | None]:
    """The index of the segment of each word; None where there is none. Both are by start."""
    found: list[int | None] = []
    begun = 0  # segments before this one have begun by the end of a word so far
    active: list[int] = []  # of those, the ones that may still have time of a word
    for word in words:
        start, end = word["start"], word["end"]
        while begun < len(segments) and segments[begun]["start"] <= end + TOLERANCE:
            active.append(begun)
            begun += 1
        active = [each for each in active if segments[each]["end"] >= start - TOLERANCE]
        found.append(_best(segments, active, start, end))
    return found


def _best(segments: Sequence[dict[str, Any]], near: Iterable[int], start: float, end: float) -> int | None:
    best, most = None, -TOLERANCE - 1e-9
    for index in near:
        shared = min(end, segments[index]["end"]) - max(start, segments[index]["start"])  # negative: so far apart
        if shared > most:
            best, most = index, shared
    return best


def _distinct(words: Iterable[Word]) -> Iterable[Word]:
    """Each word once: files that were given together may hold the same."""
    return {(*word.value.items(), word.channel, word.speaker): word for word in words}.values()


def _numbered(channels: Iterable[str | None]) -> dict[str | None, str | None]:
    """Channels as numbers from 1, by what was written."""
    found: dict[str | None, str] = {
        channel: _SIDES.get(channel.upper(), channel) for channel in channels if channel is not None
    }
    if "0" in found.values():
        return {channel: str(int(each) + 1) if each.isdecimal() else each for channel, each in found.items()}
    return dict(found)
