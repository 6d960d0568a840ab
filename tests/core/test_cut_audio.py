"""Cuts whose audio is to be sliced: what is refused, and why."""

from typing import Any

import orjson
import pytest

from alm_beam.core.cut_audio import AudioFile, parse_cut
from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import ManifestLine

SOURCE = {"type": "file", "channels": [0, 1], "source": "a.wav"}
RECORDING = {"id": "a", "sources": [SOURCE], "sampling_rate": 16000, "num_samples": 160000, "duration": 10.0}
CUT = {"id": "a-1", "type": "MonoCut", "start": 2.0, "duration": 4.0, "channel": 1, "recording": RECORDING}


def parsed(cut: Any):
    return parse_cut(ManifestLine("cuts.jsonl", 0, orjson.dumps(cut)))


def of_source(**changed: Any) -> dict[str, Any]:
    return {**CUT, "recording": {**RECORDING, "sources": [{**SOURCE, **changed}]}}


def test_the_files_that_hold_its_channels_are_those_of_a_cut():
    second = {"type": "url", "channels": [3, 2], "source": "s3://lake/b.wav"}
    recording = {**RECORDING, "sources": [SOURCE, second]}
    both = parsed({**CUT, "type": "MultiCut", "channel": [2, 0], "recording": recording})
    assert (both.channels, [file.path for file in both.files]) == ((0, 2), ["a.wav", "s3://lake/b.wav"])
    assert parsed({**CUT, "channel": 3, "recording": recording}).files == (AudioFile("s3://lake/b.wav", (3, 2)),)


@pytest.mark.parametrize(
    ("cut", "reason", "detail"),
    [
        ([1], "not_object", "expected a JSON object, found list"),
        ({**CUT, "type": "MixedCut"}, "not_a_cut", 'type: expected MonoCut or MultiCut, found string "MixedCut"'),
        ({**CUT, "id": ""}, "not_a_cut", "id: expected a text"),
        ({**CUT, "start": "2"}, "not_a_cut", 'start: expected a number of seconds, found string "2"'),
        ({**CUT, "start": -0.5}, "not_a_cut", "start -0.5"),
        ({**CUT, "duration": 0}, "not_a_cut", "a cut has a duration above 0 s"),
        ({**CUT, "duration": True}, "not_a_cut", "duration: expected a number of seconds"),
        ({**CUT, "custom": [1]}, "not_a_cut", "custom: expected an object, found list"),
        ({**CUT, "supervisions": {}}, "segments_not_list", "supervisions: expected a list, found object"),
        ({**CUT, "supervisions": [1]}, "segment_not_object", "supervisions[0]: expected an object"),
        ({**CUT, "recording": None}, "not_a_cut", "recording: expected an object, which names the audio, found null"),
        ({**CUT, "channel": 2}, "not_a_cut", "channel 2 is in none of recording.sources"),
        ({**CUT, "channel": []}, "not_a_cut", "channel: expected the numbers of channels"),
        ({**CUT, "channel": [0, 0]}, "not_a_cut", "channel: expected the numbers of channels"),
        ({**CUT, "recording": {**RECORDING, "transforms": [{"name": "Speed"}]}}, "not_a_cut", "recording.transforms"),
        ({**CUT, "recording": {**RECORDING, "sampling_rate": 0}}, "not_a_cut", "recording.sampling_rate"),
        ({**CUT, "recording": {**RECORDING, "sources": None}}, "not_a_cut", "recording.sources: expected a list"),
        ({**CUT, "recording": {**RECORDING, "sources": [SOURCE] * 2}}, "not_a_cut", "channel 1 is in more than one of"),
        (of_source(type="shar"), "not_a_cut", "recording.sources[0]: its audio is in shards already; give the folder"),
        (of_source(type="command"), "not_a_cut", 'recording.sources[0].type: expected file or url, found string "com'),
        (of_source(source=""), "not_a_cut", "recording.sources[0].source: expected a path or URL"),
        (of_source(channels=[-1, 1]), "not_a_cut", "recording.sources[0].channels"),
    ],
)
def test_what_is_no_cut_of_audio_in_files_is_refused_with_what_was_found(cut, reason, detail):
    with pytest.raises(BadEntry) as refused:
        parsed(cut)
    assert refused.value.reason.value == reason
    assert detail in refused.value.detail
