"""A cut whose audio is to be sliced: what its line states of the audio, checked."""

import math
from dataclasses import dataclass
from typing import Any

from alm_beam.core.cut_fields import supervisions_of
from alm_beam.core.faults import NUMBER, BadEntry, RejectReason, described
from alm_beam.core.manifest import ManifestLine, parsed_json
from alm_beam.core.text import visible

_CHANNELS_AT_MOST = 1 << 16
_SECONDS_AT_MOST = 1e9
"""31 years: of longer times, samples cannot be counted."""


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A file with some of a recording's channels.

    Attributes:
        path: as the cut states it: a path or a URL.
        channels: the numbers, in the recording, of the channels of the file, in its order.
    """

    path: str
    channels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CutAudio:
    """A cut, and what it states of its audio.

    Attributes:
        cut: the fields of the line.
        id: of the cut.
        start: seconds from the beginning of the recording.
        duration: seconds, above 0.
        channels: of the recording, that the cut has; ascending.
        files: those of the recording that hold these channels.
        sample_rate: Hz, as stated.
    """

    cut: dict[str, Any]
    id: str
    start: float
    duration: float
    channels: tuple[int, ...]
    files: tuple[AudioFile, ...]
    sample_rate: float


def parse_cut(line: ManifestLine) -> CutAudio:
    """The cut in a line of cuts.

    Raises:
        BadEntry: the line is no MonoCut or MultiCut of a recording whose audio is in files.

    >>> recording = {"id": "a", "sources": [{"type": "file", "channels": [0, 1], "source": "a.wav"}]}
    >>> recording |= {"sampling_rate": 16000, "num_samples": 160000, "duration": 10.0}
    >>> cut = {"id": "a-1", "type": "MonoCut", "start": 2.0, "duration": 4.0, "channel": 1, "recording": recording}
    >>> import orjson
    >>> parsed = parse_cut(ManifestLine("cuts.jsonl", 0, orjson.dumps(cut)))
    >>> parsed.start, parsed.channels, parsed.files
    (2.0, (1,), (AudioFile(path='a.wav', channels=(0, 1)),))
    """
    if line.fault is not None:
        raise line.fault
    cut = parsed_json(line.text)
    try:
        return cut_audio(cut)
    except BadEntry as fault:
        name = cut.get("id") if type(cut) is dict else None
        if type(name) is not str or not name:
            raise
        raise BadEntry(fault.reason, f"cut {visible(name)}: {fault.detail}") from None


def cut_audio(cut: Any) -> CutAudio:
    """A cut, from the fields of its line.

    Raises:
        BadEntry: it is no MonoCut or MultiCut of a recording whose audio is in files.
    """
    if type(cut) is not dict:
        raise BadEntry(RejectReason.NOT_OBJECT, f"expected a JSON object, found {described(cut)}")
    kind = cut.get("type", "MonoCut")
    if kind not in ("MonoCut", "MultiCut"):
        raise _fault("type", "MonoCut or MultiCut", kind)
    name = cut.get("id")
    if not isinstance(name, str) or not name:
        raise _fault("id", "a text", name)
    start, duration = (_number(cut.get(field), field, "seconds") for field in ("start", "duration"))
    if start < 0 or duration <= 0:
        raise BadEntry(RejectReason.NOT_A_CUT, f"start {start}, duration {duration}: a cut has a duration above 0 s")
    if max(start, duration) > _SECONDS_AT_MOST:
        what = f"start {start}, duration {duration}: more than {_SECONDS_AT_MOST:,.0f} s; times are in seconds"
        raise BadEntry(RejectReason.NOT_A_CUT, what)
    _check_content(cut)
    recording = _recording(cut)
    channels = _channels(cut.get("channel", 0), "channel")
    rate = _number(recording.get("sampling_rate"), "recording.sampling_rate", "Hz")
    if rate <= 0:
        raise _fault("recording.sampling_rate", "a number of Hz above 0", rate)
    return CutAudio(cut, name, start, duration, channels, _files_with(channels, _files(recording)), rate)


def _check_content(cut: dict[str, Any]) -> None:
    custom = cut.get("custom")
    if custom is not None and type(custom) is not dict:
        raise _fault("custom", "an object", custom)
    supervisions_of(cut)


def _recording(cut: dict[str, Any]) -> dict[str, Any]:
    recording = cut.get("recording")
    if not isinstance(recording, dict):
        raise _fault("recording", "an object, which names the audio", recording)
    for at, stated in (("recording.transforms", recording), ("transforms", cut)):
        if stated.get("transforms"):
            what = f"{at}: the audio would have to be changed; write it to a file first (save_audio of Lhotse)"
            raise BadEntry(RejectReason.NOT_A_CUT, what)
    return recording


def _files_with(channels: tuple[int, ...], files: list[AudioFile]) -> tuple[AudioFile, ...]:
    """Those of the files that hold any of the channels, of which each is in one of them."""
    for channel in channels:
        count = sum(channel in file.channels for file in files)
        if count != 1:
            where = "in none of" if not count else "in more than one of"
            raise BadEntry(RejectReason.NOT_A_CUT, f"channel {channel} is {where} recording.sources")
    found = tuple(file for file in files if not {*channels}.isdisjoint(file.channels))
    if len({file.path for file in found}) < len(found):
        what = "recording.sources: two of them name the same file; one source has to state all channels of a file"
        raise BadEntry(RejectReason.NOT_A_CUT, what)
    return found


def _files(recording: dict[str, Any]) -> list[AudioFile]:
    sources = recording.get("sources")
    if type(sources) is not list:
        raise _fault("recording.sources", "a list", sources)
    files = []
    for index, source in enumerate(sources):
        at = f"recording.sources[{index}]"
        if type(source) is not dict:
            raise _fault(at, "an object", source)
        if source.get("type") == "shar":
            what = "its audio is in shards already; give the folder of windows that these were made of"
            raise BadEntry(RejectReason.NOT_A_CUT, f"{at}: {what}")
        if source.get("type") not in ("file", "url"):
            raise _fault(f"{at}.type", "file or url", source.get("type"))
        path = source.get("source")
        if not isinstance(path, str) or not path:
            raise _fault(f"{at}.source", "a path or URL", path)
        files.append(AudioFile(path, _channels(source.get("channels"), f"{at}.channels", is_ordered=True)))
    return files


def _channels(value: Any, at: str, *, is_ordered: bool = False) -> tuple[int, ...]:
    found = value if isinstance(value, list) else [value]
    is_sound = all(type(each) is int and 0 <= each < _CHANNELS_AT_MOST for each in found)
    if not found or not is_sound or len(set(found)) != len(found):
        raise _fault(at, "the numbers of channels, from 0", value)
    return tuple(found if is_ordered else sorted(found))


def _number(value: Any, at: str, unit: str) -> float:
    if type(value) not in NUMBER or not math.isfinite(value):
        raise _fault(at, f"a number of {unit}", value)
    return float(value)


def _fault(at: str, expected: str, found: Any) -> BadEntry:
    return BadEntry(RejectReason.NOT_A_CUT, f"{at}: expected {expected}, found {described(found)}")
