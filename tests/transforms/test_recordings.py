"""What the steps over recordings raise."""

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from alm_beam.core.config import ManifestConfig, WindowConfig
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


def test_the_whole_way_reads_entries_as_it_is_told():
    entry = {"diar_segments": [{"start": 5 * n, "end": 5 * n + 5, "speaker": "ab"[n % 2]} for n in range(4)]}
    windows, manifest = WindowConfig(target_window_duration=10), ManifestConfig(16000, default_bandwidth=8000)
    with beam.Pipeline() as pipeline:
        told = pipeline | beam.Create([entry]) | recordings.MakeWindows(windows, manifest=manifest)
        plain = pipeline | "Other" >> beam.Create([entry]) | "Untold" >> recordings.MakeWindows(windows)
        assert_that(told.cuts | beam.combiners.Count.Globally(), equal_to([2]), "cuts")
        assert_that(plain.rejects | "C" >> beam.combiners.Count.Globally(), equal_to([1]), "rejects")
