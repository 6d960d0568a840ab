"""Recordings that would take too much become rejects of the job, whichever step finds it."""

import json

import apache_beam as beam
import pytest
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import assert_that, equal_to

from alm_beam.core import all_windows, output_size, overlap, windows
from alm_beam.core.config import ALL, EntryConfig, OverlapConfig, WindowConfig
from alm_beam.transforms.recordings import MakeWindows

TEN = {"target_window_duration": 10, "tolerance": 0.2, "min_bandwidth": 0}
SEGMENTS = [{"start": n / 10, "end": n / 10 + 0.1, "speaker": "ab"[n % 2]} for n in range(300)]
BACKWARDS = [{"start": 10 - n / 10, "end": 15, "speaker": "ab"[n % 2]} for n in range(60)]


@pytest.mark.parametrize(
    ("limited", "name", "segments", "config"),
    [
        (windows, "MAX_STEPS", BACKWARDS, {}),
        (all_windows, "MAX_CANDIDATES", SEGMENTS, {"windows": WindowConfig(**TEN, candidates=ALL)}),
        (overlap, "MAX_COMPARISONS", SEGMENTS, {"overlap": OverlapConfig(100)}),
        (output_size, "", SEGMENTS, {"entry": EntryConfig(max_line_bytes=20_000)}),
        (output_size, "_CUTS_BYTES", SEGMENTS, {"entry": EntryConfig(candidate_windows=False, max_line_bytes=20_000)}),
    ],
)
def test_it_is_a_reject(monkeypatch, limited, name, segments, config):
    if name:
        monkeypatch.setattr(limited, name, 100)
    entry = {"audio_filepath": "a.wav", "audio_sample_rate": 16000, "segments": segments}
    with test_pipeline.TestPipeline("BundleBasedDirectRunner") as pipeline:
        made = pipeline | beam.Create([entry]) | MakeWindows(**{"windows": WindowConfig(**TEN), **config})
        reasons = made.rejects | beam.Map(lambda line: json.loads(line)["reason"])
        assert_that(reasons, equal_to(["entry_too_large"]))
        assert_that(made.entries, equal_to([]), label="no entry")
        assert_that(made.cuts, equal_to([]), label="no cuts")
