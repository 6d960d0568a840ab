"""Whether a run can surely write what it makes of a recording, for those who count windows and write nothing.

A run rejects a recording whose lines would be too long, or that is nested too deep to be written. Nearly all are far
from that, and a bound from above says so for a small part of what writing costs.
"""

from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import orjson

from alm_beam.core.config import EntryConfig
from alm_beam.core.manifest import Recording
from alm_beam.core.overlap import KeptWindows
from alm_beam.core.truncation import Truncation

_LEVELS = 8
"""What is written has the parts of an entry at most so many levels deeper than the entry has."""

_WINDOW_BYTES = 500
"""More than the JSON of a window has beside its segments, here and there in an entry; that of a lost candidate, too."""

_CUT_BYTES = 3000
"""More than a cut has beside its supervisions and the fields of its entry."""

_SUPERVISION_BYTES = 200
"""A supervision is longer than its segment by less than this and twice the id of the recording."""

_TRUNCATION_BYTES = 60
"""A truncated segment is longer than the whole one and its words by at most this."""


class WriteBounds:
    """Bounds of what a run writes of a recording."""

    def __init__(self, recording: Recording, config: EntryConfig):
        """
        Args:
            recording: the recording.
            config: what is written of it.
        """
        self.config = config
        self._recording = recording
        self._begins: list[int] | None = None
        nested: Any = recording.entry
        for _ in range(_LEVELS):
            nested = [nested]
        try:
            self._entry_bytes: int | None = len(orjson.dumps(nested))
        except TypeError:  # it is nested too deep, or nearly so
            self._entry_bytes = None

    def hold(self, kept: KeptWindows) -> bool:
        """Whether the lines of the recording are surely short enough, and can be written."""
        if self._entry_bytes is None:
            return False
        candidates, limit = kept.candidates, self.config.max_line_bytes
        count = len(candidates.longest) + 3 * len(candidates.lost) + 2 * len(kept.indices)
        segment_bytes = _SUPERVISION_BYTES * len(self._recording.segments)
        largest = 4 * self._entry_bytes + segment_bytes + len(self._recording.line.text) + _CUT_BYTES
        return (count + 1) * largest <= limit or self._sum(kept, self._entry_bytes) <= limit

    def _sum(self, kept: KeptWindows, entry_bytes: int) -> int:
        """No less than the line of the recording has, nor than all its cuts together, bytes."""
        candidates, columns = kept.candidates, kept.candidates.columns
        longest = zip(candidates.longest.firsts, candidates.longest.stops, candidates.longest.truncations)
        lost = [(each.first, each.stop, each.truncation) for each in candidates.lost]
        beside = [(at, at + 1, None) for each in candidates.lost for at in (each.stopped_at, max(each.first - 1, 0))]
        chosen = [(columns.firsts[at], columns.stops[at], columns.truncations[at]) for at in kept.indices]
        windows = (*longest, *lost, *beside, *chosen, *chosen)
        return 2 * entry_bytes + self._windows(windows) + len(chosen) * (_CUT_BYTES + 2 * entry_bytes)

    def _windows(self, windows: Iterable[tuple[int, int, Truncation | None]]) -> int:
        """No less than windows have, or their cuts without the fields of the entry."""
        if self._begins is None:
            sizes = (len(orjson.dumps(each)) + _SUPERVISION_BYTES for each in self._recording.segments)
            self._begins = list(accumulate(sizes, initial=0))
        begins, words, total = self._begins, self._recording.words, 0
        for first, stop, truncation in windows:
            total += begins[stop] - begins[first] + _WINDOW_BYTES
            if truncation is not None:
                total += len(words[stop - 1]) + _TRUNCATION_BYTES
        return total
