"""The fields in which an entry may state its segments, its sample rate and its audio. Tools have names of their own."""

from collections.abc import Mapping
from typing import Any

SEGMENTS = "segments"

DIAR_SEGMENTS = "diar_segments"
"""Sortformer's name for the segments, which counts where there is no `segments`."""

SAMPLE_RATES = ("audio_sample_rate", "sample_rate", "sampling_rate")
"""Fields that state the sample rate, Hz. The first that is there and not null counts."""

_AUDIO_PATHS = ("audio_filepath", "resampled_audio_filepath")
"""Fields that state the audio file. The first that is there, not null and not empty counts."""


def segments_field(entry: Mapping[str, Any]) -> str:
    """The name of the field that holds the segments of an entry.

    >>> segments_field({"diar_segments": []}), segments_field({"diar_segments": [], "segments": []})
    ('diar_segments', 'segments')
    """
    return DIAR_SEGMENTS if DIAR_SEGMENTS in entry and SEGMENTS not in entry else SEGMENTS


def sample_rate_field(entry: Mapping[str, Any]) -> str | None:
    """The name of the field that states the sample rate of an entry; None if none does.

    >>> sample_rate_field({"audio_sample_rate": None, "sampling_rate": 48000})
    'sampling_rate'
    """
    return next((name for name in SAMPLE_RATES if entry.get(name) is not None), None)


def audio_field(entry: Mapping[str, Any]) -> str | None:
    """The name of the field that states the audio file of an entry; None if none does.

    A value that is no path does not make way for the next field.

    >>> audio_field({"audio_filepath": "a.opus", "resampled_audio_filepath": "a.wav"})
    'audio_filepath'
    """
    return next((name for name in _AUDIO_PATHS if entry.get(name) not in (None, "")), None)


def audio_path(entry: Mapping[str, Any]) -> str | None:
    """The path or URL of the audio file of an entry; None if it states none.

    >>> audio_path({"audio_filepath": None, "resampled_audio_filepath": "a.wav"})
    'a.wav'
    """
    field = audio_field(entry)
    path = entry[field] if field else None
    return path if type(path) is str else None
