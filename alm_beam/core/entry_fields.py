"""The fields of an entry that go into each of its cuts.

An entry may hold large things: the words of all its segments a second time, the text of the whole recording. A copy in
each cut would make the output grow with the square of the recording. So an entry's own fields, all together, are no
larger in a cut than the segments of a window are, and small ones always have their place. All cuts of a recording have
the same fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from alm_beam.core.config import EntryConfig
from alm_beam.core.manifest import Recording

ALWAYS_BYTES = 1000
"""Fields that are no larger than this, all together, are in every cut."""

_RECORDING = {"id", "sources", "sampling_rate"}


@dataclass(slots=True)
class EntryFields:
    """The fields of an entry, serialised once for all cuts of the recording.

    Attributes:
        fields: those that go into each cut, in the entry's order.
        large: names of those that are too large for that, the smallest first.
    """

    fields: dict[str, msgspec.Raw]
    large: list[str]


def entry_fields(
    recording: Recording, window_seconds: float, config: EntryConfig, stated: frozenset[str]
) -> EntryFields:
    """The fields that an entry gives to its cuts: the smallest, up to the size of a window's segments.

    That size is the average: the bytes of all segments without the dropped fields, times the share of the recording
    that a window of the target duration is. It is the same for all windows, and does not depend on which are kept.

    Args:
        recording: the recording of the entry.
        window_seconds: the target duration of windows.
        config: which fields are dropped.
        stated: fields of the entry that a cut states elsewhere.

    Raises:
        TypeError: a field is nested too deep.

    >>> from alm_beam.core.manifest import parse_recording
    >>> turns = [{"start": 0, "end": 2}, {"start": 2, "end": 5}]
    >>> entry = {"source": "ami", "transcript": "hello " * 200, "audio_sample_rate": 8000, "segments": turns}
    >>> found = entry_fields(parse_recording(entry), 60, EntryConfig(), frozenset({"audio_sample_rate"}))
    >>> list(found.fields), found.large
    (['source'], ['transcript'])
    """
    serialised = serialised_fields(recording.entry, config.drop_fields_top_level | stated)
    large: list[str] = []
    if bytes_of(serialised) > ALWAYS_BYTES:
        large = _beyond(max(ALWAYS_BYTES, _window_bytes(recording, window_seconds, config.drop_fields)), serialised)
    return EntryFields({name: msgspec.Raw(json) for name, json in serialised.items() if name not in large}, large)


def serialised_fields(entry: Mapping[str, Any], left_out: frozenset[str]) -> dict[str, bytes]:
    """The fields of an entry as JSON, without those that are left out.

    Raises:
        TypeError: a field is nested too deep.
    """
    return {
        name: orjson.dumps(safe(value) if type(value) is dict else value)
        for name, value in entry.items()
        if name not in left_out
    }


def bytes_of(serialised: Mapping[str, bytes]) -> int:
    """The size of all the fields, in bytes."""
    return sum(map(len, serialised.values()))


def _beyond(limit: float, serialised: Mapping[str, bytes]) -> list[str]:
    """The names of fields for which there is no place if the smallest are taken first."""
    names = sorted(serialised, key=lambda name: len(serialised[name]))  # of equal ones the earlier first
    total = 0
    for place, name in enumerate(names):
        total += len(serialised[name])
        if total > limit:
            return names[place:]
    return []


def _window_bytes(recording: Recording, window_seconds: float, dropped: frozenset[str]) -> float:
    """The size of the segments of an average window, in bytes of JSON."""
    segments = [{name: segment[name] for name in segment.keys() - dropped} for segment in recording.segments]
    size = len(orjson.dumps(segments)) + (0 if "words" in dropped else sum(map(len, recording.words)))
    span = max(recording.ends) - min(recording.starts)
    return size * window_seconds / span if span > window_seconds else size


def safe(value: dict[str, Any]) -> dict[str, Any] | list[dict[str, Any]]:
    """An object, within a list if Lhotse would take it for one of its own manifests, and fail."""
    return [value] if "width" in value or "array" in value or _RECORDING.issubset(value) else value
