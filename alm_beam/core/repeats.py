"""Which recordings come more than once: by hashes, of a limited number of recordings."""

from collections.abc import Mapping
from typing import Any

from xxhash import xxh3_64_intdigest

from alm_beam.core.recording_ids import stated_id
from alm_beam.core.stated_fields import audio_path

MOST_RECORDINGS = 1_000_000
"""So many recordings are remembered, in 160 MB if each states an id, and 105 MB if none does."""


class SeenRecordings:
    """Remembers the audio files and the ids of recordings, as hashes of 64 bits.

    Attributes:
        is_full: whether `MOST_RECORDINGS` are remembered; those that come later are compared to these only.

    >>> seen = SeenRecordings()
    >>> seen.repeats({"audio_filepath": "a.wav", "id": "1"})
    (False, False)
    >>> seen.repeats({"audio_filepath": "a.wav", "id": "2"}), seen.repeats({"audio_filepath": "b.wav", "id": "1"})
    ((True, False), (False, True))
    """

    def __init__(self, most: int = MOST_RECORDINGS) -> None:
        self._audio: set[int] = set()
        self._audio_of_id: dict[int, int] = {}
        self._most = most
        self.is_full = False

    def repeats(self, entry: Mapping[str, Any]) -> tuple[bool, bool]:
        """Whether an earlier entry had the same audio file; and whether one had the same id, and other audio."""
        path, name = audio_path(entry), stated_id(entry)
        self.is_full = max(len(self._audio), len(self._audio_of_id)) >= self._most
        audio = xxh3_64_intdigest(path.encode()) if path else 0
        is_repeated = audio in self._audio
        if audio and not self.is_full:
            self._audio.add(audio)
        if name is None:
            return is_repeated, False
        key = xxh3_64_intdigest(name.encode())
        other = self._audio_of_id.get(key, audio)
        if not self.is_full:
            self._audio_of_id.setdefault(key, audio)
        return is_repeated, other != audio
