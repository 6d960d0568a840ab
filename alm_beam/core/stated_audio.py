"""What an entry states of its audio, as a cut needs it: sample rate, duration, and Lhotse's `Recording`."""

from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, UnsetType

from alm_beam.core.channels import Channels
from alm_beam.core.faults import NUMBER
from alm_beam.core.manifest import Recording
from alm_beam.core.stated_fields import audio_path

UNKNOWN_SECONDS = 0.25
"""How much longer than its last segment a recording is said to last if the manifest does not state its duration.

Given only the end of the last segment, Lhotse would read a full-length window as the whole file, and it refuses a file
that is more than half a second longer than stated. With more than a millisecond to spare it reads the window only. With
less than half a second, a file that ends with its last segment can be read as a whole too.
"""

DIGITS = 8
"""The number of decimals to which Lhotse rounds times."""

_MIN_SECONDS = 10.0**-DIGITS
_MAX_SAMPLES = 2**53
_STEP_WITHOUT_RATE = 0.001


@dataclass(slots=True)
class StatedAudio:
    """The audio of a recording, as its entry states it.

    Attributes:
        rate: Hz; None if no audio can have the sample rate that is stated.
        step: seconds, of one sample; a millisecond without a rate. No cut or supervision is shorter.
        end: seconds, the duration that is stated; None if none is, or none that a recording can have.
    """

    rate: int | None
    step: float
    end: float | None

    def holds(self, start: float, end: float) -> bool:
        """Whether there is audio between these times (seconds)."""
        if start < 0 and end < self.step:
            return False
        return self.end is None or self.end - max(start, 0.0) >= self.step


def stated_audio(recording: Recording) -> StatedAudio:
    """What the entry of a recording states of its audio.

    >>> from alm_beam.core.manifest import parse_recording
    >>> stated_audio(parse_recording({"audio_sample_rate": 8000, "duration": 12.5, "segments": []}))
    StatedAudio(rate=8000, step=0.000125, end=12.5)
    """
    rate, stated = recording.sample_rate, recording.entry.get("duration")
    whole_rate = int(rate) if 1 <= rate <= _MAX_SAMPLES and rate == int(rate) else None
    step = max(round(1 / whole_rate, DIGITS), _MIN_SECONDS) if whole_rate else _STEP_WITHOUT_RATE
    is_usable = type(stated) in NUMBER and stated >= step  # type: ignore[operator]
    return StatedAudio(whole_rate, step, stated if is_usable else None)


def recording_json(
    recording: Recording, name: str, audio: StatedAudio, channels: Channels, last_end: float
) -> msgspec.Raw | UnsetType:
    """The field `recording` of a cut; UNSET if the entry has no audio file, or no audio can have such times and rate.

    Args:
        recording: the recording.
        name: its id.
        audio: what its entry states.
        channels: those of the recording.
        last_end: seconds, the end of the last segment or window, for a recording of unknown duration.
    """
    path = audio_path(recording.entry)
    duration = last_end + UNKNOWN_SECONDS if audio.end is None else audio.end
    if path is None or audio.rate is None or not 0 < duration * audio.rate < _MAX_SAMPLES:
        return UNSET
    every = channels.all
    fields: dict[str, Any] = {
        "id": name,
        "sources": [{"type": "url" if "://" in path else "file", "channels": every, "source": path}],
        "sampling_rate": audio.rate,
        "num_samples": int(round(duration * audio.rate, DIGITS) + 0.5),
        "duration": duration,
        "channel_ids": every,
    }
    return msgspec.Raw(orjson.dumps(fields))
