"""What the steps over recordings raise."""

import pytest

from alm_beam.core.config import ManifestConfig
from alm_beam.core.manifest import ManifestLine
from alm_beam.storage.lines import ManifestReadError
from alm_beam.transforms import recordings


def test_a_line_without_room_to_parse_it_is_told_by_its_place(monkeypatch):
    def no_room(*_):
        raise MemoryError

    monkeypatch.setattr(recordings, "parse_recording", no_room)
    line = ManifestLine("in/m.jsonl", 7, b"{}")
    with pytest.raises(
        ManifestReadError, match=r"in/m\.jsonl: to parse the line of 2 bytes at byte 7 takes more memory"
    ):
        list(recordings._ParseRecording(ManifestConfig()).process(line))
