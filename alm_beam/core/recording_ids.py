"""The id of a recording. It depends on the recording's entry alone, and names one audio file.

An id that is made here is the base name of the audio file, for people, and a hash of its whole path, because base names
repeat: `meeting-1a2b3c4d`. A path counts as it is written; `./a.wav` and `a.wav` have ids of their own, as two keys of
an object store may differ by that.

A URL may have a query. It is left out where it signs the URL, which changes with every signature, and in HTTP where the
path itself names an audio file. `https://host/download?id=7` names its audio in the query only, and in an object store
or a folder `?` and `#` may be part of a name.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from xxhash import xxh3_64_hexdigest

from alm_beam.core.stated_fields import audio_path

RECORDING_IDS = ("recording_id", "id", "audio_item_id")
"""Fields of an entry that name its recording. The first that is there is used."""

NO_NAME = "unknown"
"""Stands for the base name of a recording that has no audio file."""

_HASH_DIGITS = 8
_MAX_NAME_CHARS = 255

_HTTP = re.compile(r"(?:^|::)https?://", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/?#@:]*:[^/?#@]*@")

AUDIO_ENDING = re.compile(
    r"\.(?:wav|wave|flac|mp[234]|mpga|m4[ab]|og[ga]|opus|aac|ac3|wma|amr|aif[fc]?|au|snd|sph|nist|caf|spx|"
    r"webm|mkv|mka|mov|avi|3gp|pcm|raw)$",
    re.IGNORECASE,
)
"""What the names of audio files end with."""

_SIGNING = re.compile(
    r"(?:x-(?:amz|goog|oss|cos|obs|ms)-.*|q-(?:sign|ak|key|header|url)-?.*|sig|.*signature|expires?|expiry|exp|policy|"
    r"key-pair-id|.*accesskeyid|googleaccessid|(?:.*[-_])?token_*|hdn(?:ea|ts|tl)|auth(?:orization)?|api_?key|hmac)",
    re.IGNORECASE,
)
"""The names of the parameters that sign URLs: of the clouds, of their networks of caches, and common ones."""

_AZURE = re.compile(r"s[vpetri]|ss|srt|spr|sip|sdd|sk(?:oid|tid|t|e|s|v)")
"""The other parameters of a shared access signature of Azure, which has a `sig` as well."""


def recording_id(entry: Mapping[str, Any]) -> str:
    """The id of the recording that an entry describes: the one that the entry states, else one of its audio's path.

    If it states no audio either, the whole entry is hashed instead.

    Args:
        entry: the entry as parsed.

    Raises:
        TypeError: there is nothing that names the recording, and the entry is nested too deep to be hashed.

    >>> recording_id({"id": 7, "audio_filepath": "/data/monday/meeting.wav"})
    '7'
    >>> recording_id({"audio_filepath": "/data/monday/meeting.wav"})
    'meeting-6246c321'
    >>> recording_id({"audio_filepath": "/data/tuesday/meeting.wav"})
    'meeting-0a17f1ff'
    """
    stated = stated_id(entry)
    if stated is not None:
        return stated
    path = audio_path(entry)
    if path is None:
        return f"{NO_NAME}-{_hash_of(orjson.dumps(entry, option=orjson.OPT_SORT_KEYS))}"
    location, query = _split(path)
    whole = f"{location}?{query}" if query else location
    return f"{_base_name(location)}-{_hash_of(whole.encode())}"


def stated_id(entry: Mapping[str, Any]) -> str | None:
    """The id that an entry states; None if it states none.

    >>> stated_id({"id": "", "audio_item_id": "talk_1"})
    'talk_1'
    """
    for field in RECORDING_IDS:
        value = entry.get(field)
        if (type(value) is str and value) or type(value) is int:
            return str(value)
    return None


def _hash_of(text: bytes) -> str:
    return xxh3_64_hexdigest(text)[:_HASH_DIGITS]


def _base_name(location: str) -> str:
    """The name of the file without its ending."""
    name = location.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return (name.rpartition(".")[0] or name or NO_NAME)[:_MAX_NAME_CHARS]


def _split(path: str) -> tuple[str, str]:
    """A path without its query and without a password, and what of the query tells one audio from another."""
    if "://" not in path:
        return path, ""
    path = _USER.sub("", path)
    if _HTTP.search(path):
        location, _, query = path.partition("#")[0].partition("?")
        return (location, "") if AUDIO_ENDING.search(location) else (location, _unsigned(query))
    location, _, query = path.partition("?")
    return (location, _unsigned(query)) if "=" in query else (path, "")


def _unsigned(query: str) -> str:
    """The parameters of a query that do not sign the URL."""
    parameters = query.split("&")
    names = [each.partition("=")[0] for each in parameters]
    is_azure = "sig" in names
    return "&".join(
        each
        for name, each in zip(names, parameters)
        if not _SIGNING.fullmatch(name) and not (is_azure and _AZURE.fullmatch(name))
    )
