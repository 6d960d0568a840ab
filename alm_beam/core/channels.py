"""Which channels of the audio the segments of a recording are on.

Channels are numbers from 0, as integers or digits; `A` and `B`, the sides of a telephone call, are 0 and 1. A segment
may have several, as a list. An entry may state the number of its channels, and the channel of all its segments.

A segment without a channel is on all channels of its recording. If nothing is stated, recordings have one channel. If
the segments' channels make no sense (an unknown word, or a channel that a recording of the stated number does not have)
then none of them counts, because the others may be counted differently too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from alm_beam.core.config import EntryConfig
from alm_beam.core.faults import Segment
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
    is_by_segment = CHANNEL not in config.drop_fields and _has_channels(segments)
    if not is_by_segment and _ENTRY_FIELDS.isdisjoint(recording.entry):
        return _ONE
    entry = {name: value for name, value in recording.entry.items() if name not in config.drop_fields_top_level}
    count, entry_fields = _count(entry)
    values = [segment.get(CHANNEL) for segment in segments] if is_by_segment else [None] * len(segments)
    stated, of_all = [_numbers(value) for value in values], _numbers(entry.get(CHANNEL))
    numbers = set(of_all or ()).union(*filter(None, stated))
    base = _first_number(numbers, count)
    is_usable = base is not None and all(each or value is None for each, value in zip(stated, values))
    if not is_usable or not numbers:
        found = Channels(count or 1, entry_fields=entry_fields)
        stated, of_all = [None] * len(segments), None
    else:
        fields = frozenset({CHANNEL}) if of_all else frozenset()
        found = Channels(count or max(numbers) + 1, None, frozenset({CHANNEL}), entry_fields | fields)
    if found.count > 1:
        each = [_shifted(own or of_all or found.all, base if own or of_all else 0) for own in stated]
        found.of_segments = [channels[0] if len(channels) == 1 else channels for channels in each]
    return found


def _has_channels(segments: list[Segment]) -> bool:
    for segment in segments:  # noqa: SIM110 (`any` takes twice the time)
        if CHANNEL in segment:
            return True
    return False


def _count(entry: Mapping[str, Any]) -> tuple[int | None, frozenset[str]]:
    """How many channels an entry states, None if it does not; and the fields that state so many."""
    counts = {name: _stated_count(entry.get(name)) for name in COUNTS}
    count = next(filter(None, counts.values()), None)
    return count, frozenset(name for name in COUNTS if count and counts[name] == count)


def _stated_count(value: Any) -> int | None:
    """A number of channels, or how many a list of all of them has; None if it is neither."""
    if type(value) is list:
        numbers = _numbers(value)
        return len(numbers) if numbers and numbers == list(range(len(numbers))) else None
    number = _whole_number(value)
    return number if number and number <= MAX_CHANNELS else None


def _numbers(value: Any) -> list[int] | None:
    """The channels that a segment states, in ascending order; None if it states none that can be."""
    found = [_number(each) for each in (value if type(value) is list else [value])]
    known = {number for number in found if number is not None and number < MAX_CHANNELS}
    return sorted(known) if found and len(known) == len(found) else None


def _number(value: Any) -> int | None:
    side = _SIDES.get(value.lower()) if type(value) is str else None
    return _whole_number(value) if side is None else side


def _whole_number(value: Any) -> int | None:
    """A number of 0 or more, also as digits, or as the float that pandas makes of it; None if the value is none."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) <= len(str(MAX_CHANNELS)):
        return int(value)
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and value >= 0 else None


def _first_number(numbers: set[int], count: int | None) -> int | None:
    """The number of the first channel, 0 or 1; None if a recording with so many does not have all these channels."""
    if not numbers or count is None or max(numbers) < count:
        return 0
    return 1 if max(numbers) == count and 0 not in numbers else None


def _shifted(channels: list[int], base: int | None) -> list[int]:
    return [channel - base for channel in channels] if base else channels
