"""What a conversion has read, written and not found."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_NAMED = 10
"""So many names are kept of what was not found."""


@dataclass
class Named:
    """Recordings that something is to be said of.

    Attributes:
        count: how many.
        first: the names of the first ones.
    """

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Counts a recording."""
        self.count += 1
        if len(self.first) < _NAMED:
            self.first.append(name)


@dataclass
class ConvertStats:
    """The figures of a conversion.

    Attributes:
        lines: lines of the input, or documents, that were used or passed over; comments do not count.
        recordings: entries that were written; of cuts, the recordings that they are of.
        segments: those of the entries; of cuts, the lines that were written.
        words: those of the segments.
        speakers: labels, summed over the recordings.
        seconds: the segments' durations, overlaps counted twice.
        rejected: lines, documents and recordings that could not be used, by reason.
        passed_over: lines of the input that hold nothing an entry has, by their kind.
        noted: sums of what entries themselves count.
        audio_found: recordings whose audio is below the folder that was searched.
        audio_stated: recordings whose audio the input states, which was not looked for.
        audio_not_found: recordings without audio.
        audio_ambiguous: recordings that several files may be the audio of, so that none was taken.
    """

    lines: int = 0
    recordings: int = 0
    segments: int = 0
    words: int = 0
    speakers: int = 0
    seconds: float = 0.0
    rejected: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    audio_found: int = 0
    audio_stated: int = 0
    audio_not_found: Named = field(default_factory=Named)
    audio_ambiguous: Named = field(default_factory=Named)

    @property
    def reject_fraction(self) -> float:
        """The share of what was read that could not be used; 0 where nothing was read.

        >>> ConvertStats(lines=3, rejected=Counter(not_utf8=1)).reject_fraction
        0.25
        """
        rejects = self.rejected.total()
        return rejects / (rejects + self.lines) if rejects else 0.0

    def add_segments(self, segments: Any) -> None:
        """Counts a recording and its segments, as far as they are such: an entry may come as another tool wrote it."""
        speakers = set()
        for segment in segments if type(segments) is list else ():
            self.segments += 1
            if type(segment) is dict:
                start, end, words = (segment.get(name) for name in ("start", "end", "words"))
                self.seconds += end - start if isinstance(start, int | float) and isinstance(end, int | float) else 0
                self.words += len(words) if type(words) is list else 0
                speakers.add(segment.get("speaker") if type(segment.get("speaker")) in (str, int) else None)
        self.recordings += 1
        self.speakers += len(speakers - {None})

    def to_dict(self) -> dict[str, Any]:
        """As `convert_stats.json` has it.

        >>> stats = ConvertStats(recordings=1, noted=Counter(repeated_segments=2))
        >>> stats.audio_not_found.add("ami")
        >>> {name: value for name, value in stats.to_dict().items() if value}
        {'recordings': 1, 'repeated_segments': 2, 'audio_not_found': 1, 'audio_not_found_first': ['ami']}
        """
        return {
            "lines": self.lines,
            "recordings": self.recordings,
            "segments": self.segments,
            "words": self.words,
            "speakers": self.speakers,
            "seconds": round(self.seconds, 6),
            **self.noted,
            "rejected": dict(self.rejected.most_common()),
            "passed_over": dict(self.passed_over.most_common()),
            "audio_found": self.audio_found,
            "audio_stated": self.audio_stated,
            "audio_not_found": self.audio_not_found.count,
            "audio_not_found_first": self.audio_not_found.first,
            "audio_ambiguous": self.audio_ambiguous.count,
            "audio_ambiguous_first": self.audio_ambiguous.first,
        }
