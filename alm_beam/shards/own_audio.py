"""The cut of a window that stands for its own audio, no longer for a part of a recording."""

import math
from typing import Any

from alm_beam.core.faults import BadEntry, RejectReason, described
from alm_beam.shards.format import SlicedWindow

CUT_ID = "cut_id"
"""The custom field with the id of the cut that was sliced, where the new cut has another."""

SLICED_FROM = "sliced_from"
"""The custom field with what was sliced: `recording_id`, `start` (seconds) and `channel`, as the cut stated them."""

_RECORDING = frozenset({"id", "sources", "sampling_rate"})
"""What a custom field has that Lhotse takes for a recording."""

_ARRAY_OVER_TIME = frozenset({"array", "temporal_dim"})


def own_audio_cut(window: SlicedWindow, source_type: str = "shar", source: str = "") -> dict[str, Any]:
    """The fields of a Lhotse cut of a window's own audio, from its start to its end. `window.cut` is not changed.

    What `DataCut.save_audio` of Lhotse makes of a cut: its id and that of its recording are `window.name`, the id of
    the cut itself is in `custom.cut_id` if it is another. Supervisions keep ids, times and all else, as their times
    count from the start of the cut already. The channels are numbered from 0 in the order of the cut's; audio of one
    channel is that of a `MonoCut`, all of whose supervisions are on it. A supervision on several channels stays on
    those of them that the audio has, and one on none of them goes on all.

    The duration stays as well, unless it is another number of samples than the audio has.

    What describes the time of the recording elsewhere is left out: `features`, and custom fields that are recordings
    or arrays over time of Lhotse's (a recording that the cut says to be `<name>_unaligned` stays).

    Args:
        window: the window.
        source_type: of its recording's one source, a word of Lhotse's: shar for a placeholder that a reader fills.
        source: where the audio is, as this type demands.

    Raises:
        BadEntry: the supervisions or custom fields are none.

    >>> source = {"type": "file", "channels": [0, 1], "source": "a.wav"}
    >>> recording = {"id": "a", "sources": [source], "sampling_rate": 8000, "num_samples": 80000, "duration": 10.0}
    >>> said = {"id": "a-0", "recording_id": "a", "start": 0.5, "duration": 1.0, "channel": 1, "text": "Hello"}
    >>> cut = {"id": "a-2000", "start": 2.0, "duration": 4.0, "channel": 1, "recording": recording}
    >>> cut |= {"supervisions": [said], "type": "MonoCut"}
    >>> own = own_audio_cut(SlicedWindow(cut, "a-2000", b"fLaC", "flac", 16000, 1, 64000, "en"))
    >>> own["start"], own["duration"], own["channel"], own["custom"]["sliced_from"]
    (0.0, 4.0, 0, {'recording_id': 'a', 'start': 2.0, 'channel': 1})
    >>> own["supervisions"]
    [{'id': 'a-0', 'recording_id': 'a-2000', 'start': 0.5, 'duration': 1.0, 'channel': 0, 'text': 'Hello'}]
    >>> own["recording"]["sources"], own["recording"]["num_samples"]
    ([{'type': 'shar', 'channels': [0], 'source': ''}], 64000)
    """
    cut, channels = window.cut, list(range(window.channels))
    custom = _object(cut.get("custom") or {}, "custom")
    own = {
        **cut,
        "id": window.name,
        "start": 0.0,
        "duration": _duration(window),
        "channel": channels if window.channels > 1 else 0,
        "supervisions": _supervisions(window),
        "recording": {
            "id": window.name,
            "sources": [{"type": source_type, "channels": channels, "source": source}],
            "sampling_rate": window.sample_rate,
            "num_samples": window.samples,
            "duration": window.samples / window.sample_rate,
            "channel_ids": channels,
        },
        "custom": {
            **_lasting(custom),
            **({} if cut["id"] == window.name else {CUT_ID: cut["id"]}),
            SLICED_FROM: {
                "recording_id": cut["recording"].get("id"),
                "start": cut["start"],
                "channel": cut.get("channel", 0),
            },
        },
        "type": "MultiCut" if window.channels > 1 else "MonoCut",
    }
    own.pop("features", None)
    return own


def _duration(window: SlicedWindow) -> float:
    """Seconds, of which Lhotse makes the number of samples that the audio has: it rounds a half up."""
    stated: float = window.cut["duration"]
    is_exact = math.floor(round(stated * window.sample_rate, 8) + 0.5) == window.samples
    return stated if is_exact else window.samples / window.sample_rate


def _supervisions(window: SlicedWindow) -> list[dict[str, Any]]:
    found = window.cut.get("supervisions") or []
    if type(found) is not list:
        raise BadEntry(RejectReason.NOT_A_CUT, f"supervisions: expected a list, found {described(found)}")
    places = {channel: place for place, channel in enumerate(sorted(_several(window.cut.get("channel", 0))))}
    supervisions = []
    for index, each in enumerate(found):
        at = f"supervisions[{index}]"
        own = {**_object(each, at), "recording_id": window.name, "channel": 0}
        if window.channels > 1:
            own["channel"] = _channel(each.get("channel", 0), places, window.channels)
        if each.get("custom"):
            own["custom"] = _lasting(_object(each["custom"], f"{at}.custom"))
        supervisions.append(own)
    return supervisions


def _channel(stated: Any, places: dict[int, int], count: int) -> int | list[int]:
    """The channels of a supervision, by the places of the channels in the audio, of which there are `count`."""
    numbers = [each for each in _several(stated) if type(each) is int]
    found = sorted({places[each] for each in numbers if places.get(each, count) < count})
    if len(found) == 1 and type(stated) is not list:
        return found[0]
    return found or list(range(count))


def _several(channel: Any) -> list[Any]:
    return channel if type(channel) is list else [channel]


def _lasting(custom: dict[str, Any]) -> dict[str, Any]:
    """The custom fields that do not follow the time of a recording."""

    def lasts(name: str, value: Any) -> bool:
        if type(value) is not dict:
            return True
        is_recording = value.keys() >= _RECORDING and not custom.get(f"{name}_unaligned")
        return not is_recording and not value.keys() >= _ARRAY_OVER_TIME

    return {name: value for name, value in custom.items() if lasts(name, value)}


def _object(value: Any, at: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise BadEntry(RejectReason.NOT_A_CUT, f"{at}: expected an object, found {described(value)}")
    return value
