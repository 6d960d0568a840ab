"""Which channels of the audio the segments of a recording are on.

Channels are numbers from 0. As text, they are those of RTTM and CTM files, from 1 unless there is a "0", or `A` and
`B`, the sides of a telephone call. A segment may have several, as a list. An entry may state the number of its
channels, and the channel of all its segments.

A segment without a channel is on all channels of its recording. If nothing is stated, recordings have one channel. If
the segments' channels make no sense (an unknown word, or a channel that a recording of the stated number does not have)
then none of them counts, because the others may be counted differently too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

from alm_beam.core.config import EntryConfig
from alm_beam.core.manifest import Recording

CHANNEL = "channel"
"""The field of a segment, or of an entry, that states where it is heard."""

COUNTS = ("audio_num_channels", "num_channels", "channels")
"""Fields of an entry that state how many channels its audio has. The first that can be used counts."""

MAX_CHANNELS = 128
"""More than arrays of microphones have. A greater number is taken for something else."""

Channel: TypeAlias = int | list[int]
"""A channel from 0, or several in ascending order."""

_ENTRY_FIELDS = frozenset({CHANNEL, *COUNTS})
_SIDES = {"a": 0, "b": 1}


@dataclass(slots=True)
class Channels:
    """The channels of a recording, and those of each segment.

    Attributes:
        count: how many the recording has.
        of_segments: the channels of each segment; None if all are on the only one.
        segment_fields: fields of segments that are stated by these.
        entry_fields: fields of the entry that are stated by these.
    """

    count: int = 1
    of_segments: list[Channel] | None = None
    segment_fields: frozenset[str] = frozenset()
    entry_fields: frozenset[str] = frozenset()

    @property
    def all(self) -> list[int]:
        """The channels of the recording."""
        return list(range(self.count))


_ONE = Channels()


def find_channels(recording: Recording, config: EntryConfig) -> Channels:
    """The channels that a recording's entry and segments state. Fields that `config` drops do not count.

    If the number of channels is not stated, the highest channel that any segment states is taken for the last one. If
    it is, and the segments are on its last number but not on 0, they are counted from 1.

    >>> from alm_beam.core.manifest import parse_recording
    >>> turns = [{"start": 0, "end": 2, "channel": 0}, {"start": 2, "end": 5, "channel": "B"}, {"start": 5, "end": 6}]
    >>> found = find_channels(parse_recording({"audio_sample_rate": 8000, "segments": turns}), EntryConfig())
    >>> found.count, found.of_segments
    (2, [0, 1, [0, 1]])
    """
    segments = recording.segments
    is_by_segment = CHANNEL not in config.drop_fields and CHANNEL in recording.segment_fields
    if not is_by_segment and _ENTRY_FIELDS.isdisjoint(recording.entry):
        return _ONE
    entry = {name: value for name, value in recording.entry.items() if name not in config.drop_fields_top_level}
    count, entry_fields = _count(entry)
    values = [segment.get(CHANNEL) for segment in segments] if is_by_segment else [None] * len(segments)
    stated = _stated_channels([*values, entry.get(CHANNEL)], count)
    if stated is None:
        found = Channels(count or 1, None, frozenset(), entry_fields)
        stated = [[]] * (len(segments) + 1)
    else:
        count = count or 1 + max(chain.from_iterable(stated))
        fields = frozenset({CHANNEL})
        found = Channels(count, None, fields, entry_fields | fields if stated[-1] else entry_fields)
    if found.count > 1:
        each = [own or stated[-1] or found.all for own in stated[:-1]]
        found.of_segments = [channels[0] if len(channels) == 1 else channels for channels in each]
    return found


def _stated_channels(values: list[Any], count: int | None) -> list[list[int]] | None:
    """The channels that each value states, from 0; none if it is null. None if no value states any, or they do not fit.

    Args:
        values: those of the segments, and last that of the entry, which may have a `channel` of another meaning.
        count: the number of channels of the recording, if it is stated.
    """
    first_text = _first_text(values)
    stated = [[] if value is None else _numbers(value, first_text) for value in values]
    numbers = set(chain.from_iterable(stated))
    if not numbers or not all(each or value is None for each, value in zip(stated[:-1], values)):
        return None
    if count is None or max(numbers) < count:
        return stated
    if max(numbers) == count and 0 not in numbers:  # they are counted from 1
        return [[number - 1 for number in each] for each in stated]
    return None


def _count(entry: Mapping[str, Any]) -> tuple[int | None, frozenset[str]]:
    """How many channels an entry states, None if it does not; and the fields that state so many."""
    counts = {name: stated_count(entry.get(name)) for name in COUNTS}
    count = next(filter(None, counts.values()), None)
    return count, frozenset(name for name in COUNTS if count and counts[name] == count)


def stated_count(value: Any) -> int | None:
    """A number of channels, or how many a list of all of them has; None if it is neither."""
    if type(value) is list:
        numbers = _numbers(value, _first_text([value]))
        return len(numbers) if numbers and numbers == list(range(len(numbers))) else None
    number = _whole_number(value)
    return number if number and number <= MAX_CHANNELS else None


def _first_text(values: list[Any]) -> int:
    """The number of the first channel among those that are stated as text: 1, or 0 if there is one."""
    return 0 if any(value == "0" or (type(value) is list and "0" in value) for value in values) else 1


def _numbers(value: Any, first_text: int) -> list[int]:
    """The channels that a value states, from 0 and in ascending order; none if any of them cannot be."""
    found = [_number(each, first_text) for each in (value if type(value) is list else [value])]
    known = {number for number in found if number is not None and 0 <= number < MAX_CHANNELS}
    return sorted(known) if len(known) == len(found) else []


def _number(value: Any, first_text: int) -> int | None:
    if type(value) is not str:
        return _whole_number(value)
    side, number = _SIDES.get(value.lower()), _whole_number(value)
    return number - first_text if number is not None else side


def _whole_number(value: Any) -> int | None:
    """A number of 0 or more, also as digits, or as the float that pandas makes of it; None if the value is none."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) <= len(str(MAX_CHANNELS)):
        return int(value)
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and value >= 0 else None
