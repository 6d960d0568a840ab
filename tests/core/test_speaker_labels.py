"""Labels that name several speakers, and those that name nobody."""

from typing import Any

import pytest

from alm_beam.core.config import ManifestConfig
from alm_beam.core.manifest import parse_recording


def of_labels(*labels: Any) -> dict[str, Any]:
    turns = [{"start": n, "end": n + 1, "speaker": label} for n, label in enumerate(labels)]
    return {"audio_sample_rate": 16000, "segments": turns}


LABELS = {
    "a": "a",
    "a,b": ("a", "b"),
    "b, a ,b": ("b", "a"),
    " a ,": "a",
    "a,a": "a",
    "a,no-speaker": "a",
    "no-speaker,a": "a",
    "a,no-speaker,b": ("a", "b"),
    "no-speaker": "no-speaker",
    "no-speaker, no-speaker": "no-speaker",
    ", ,": None,
    "1,2": ("1", "2"),
    "": None,
}


def test_a_label_names_the_speakers_between_its_separators():
    labels = [*LABELS, 7, None]
    assert parse_recording(of_labels(*labels), ManifestConfig(speaker_separator=",")).speakers == [
        *LABELS.values(),
        7,
        None,
    ]
    unsplit = parse_recording(of_labels(*labels)).speakers
    assert unsplit == [*[*LABELS][:-1], None, 7, None]


@pytest.mark.parametrize(
    ("separator", "label", "speakers"),
    [
        (" + ", "a + b", ("a", "b")),
        ("|", "a,b|c", ("a,b", "c")),
        (" ", "a  b", ("a", "b")),
        ("-", "a-b-a", ("a", "b")),
        ("-", "no-speaker", "no-speaker"),
        ("-", "a-no-speaker", "a"),
        ("-", "no-speaker-no-speaker", "no-speaker"),
    ],
)
def test_a_separator_is_any_text(separator, label, speakers):
    assert parse_recording(of_labels(label), ManifestConfig(speaker_separator=separator)).speakers == [speakers]


def test_labels_of_nobody_are_left_out_and_others_are_not():
    labels = ["no-speaker", "a,no-speaker", "No-Speaker", "no-speaker,no-speaker", None, "a,b"]
    config = ManifestConfig(skip_no_speaker=True, speaker_separator=",")
    assert parse_recording(of_labels(*labels), config).speakers == ["a", "No-Speaker", None, ("a", "b")]
    assert parse_recording(of_labels(*labels), ManifestConfig(skip_no_speaker=True)).speakers == labels[1:]
