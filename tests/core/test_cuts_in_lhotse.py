"""Cuts in the real Lhotse, where it is installed: it brings torch, gigabytes."""

import json
import wave
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.core.config import EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.cuts import serialise_cuts
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.windows import build_windows
from tests.core.test_cuts import AUDIO, TWO, cut_lines
from tests.core.test_rules import recording_of
from tests.core.test_windows import segment
from tests.strategies import entries, overlap_configs, window_configs


@pytest.fixture
def lhotse() -> Any:
    return pytest.importorskip("lhotse", reason="lhotse is not installed: it brings torch, gigabytes")


def test_lhotse_reads_and_keeps_all_of_them(lhotse, tmp_path):
    path = tmp_path / "cuts-00000-of-00001.jsonl"
    written: list[bytes] = []

    @settings(max_examples=200, deadline=None)
    @given(entries(), window_configs(), overlap_configs, st.data())
    def write(entry: dict[str, Any], windows: WindowConfig, overlap: OverlapConfig, data: st.DataObject) -> None:
        entry["duration"] = data.draw(st.sampled_from([None, "20", 0, 0.5]) | st.floats(1, 100))
        entry["num_channels"] = data.draw(st.sampled_from([None, None, 1, 2, 4]))
        for each in entry["segments"] if data.draw(st.booleans()) else ():
            each["channel"] = data.draw(st.sampled_from([None, 0, 1, "A", "B", [0, 1]]))
        kept = filter_overlaps(build_windows(recording_of(entry), windows), overlap)
        written.extend(serialise_cuts(kept, EntryConfig(drop_fields=frozenset())).lines)

    write()
    written += cut_lines({**AUDIO, "note": {"width": 1, "id": 1, "sources": 2, "sampling_rate": 3}, "segments": TWO})
    path.write_bytes(b"".join(line + b"\n" for line in written))
    found = list(lhotse.CutSet.from_file(path))
    for cut, line in zip(found, written, strict=True):
        lhotse.validate(cut)
        assert cut.to_dict() == json.loads(line)


def tone(path: Any, seconds: float, channels: int = 1) -> str:
    """A file in which each sample is the whole seconds of its time, and 30 more for each channel after the first."""
    samples = b"".join(
        ((int(at / 16000) + 30 * channel) * 100).to_bytes(2, "little")
        for at in range(int(seconds * 16000))
        for channel in range(channels)
    )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples)
    return str(path)


def heard(cut: Any) -> list[list[int]]:
    """What `tone` wrote at the first sample of each second of a cut, by channel."""
    return [[round(channel[at] * 32768 / 100) for at in range(0, len(channel), 16000)] for channel in cut.load_audio()]


def loaded(lhotse: Any, entry: dict[str, Any], **how: Any) -> list[Any]:
    """The cuts of an entry as Lhotse's, which accepts them and their audio."""
    found = [lhotse.serialization.deserialize_item(json.loads(line)) for line in cut_lines(entry, **how)]
    for cut in found:
        lhotse.validate(cut, read_data=True)
        lhotse.validate(cut.recording, read_data=True)
        for supervision in cut.supervisions:
            lhotse.validate(supervision)
    return found


@pytest.mark.parametrize("stated", [None, 30.0])
@pytest.mark.parametrize("begin", [0, 3, 20])
def test_lhotse_loads_the_audio_of_a_window(lhotse, tmp_path, stated, begin):
    segments = [segment(begin, begin + 5, "a"), segment(begin + 5, begin + 10, "b")]
    entry = {"audio_filepath": tone(tmp_path / "a.wav", 30), "duration": stated, "segments": segments}
    [line] = cut_lines(entry)
    cut = lhotse.MonoCut.from_dict(json.loads(line))
    assert cut.load_audio().shape == (1, 160000)
    assert heard(cut) == [list(range(begin, begin + 10))]


@pytest.mark.parametrize("beyond", [0.3, 2, 60])
def test_lhotse_loads_the_audio_of_a_window_whose_segments_end_after_it(lhotse, tmp_path, beyond):
    last = segment(25, 30 + beyond, "b")
    entry = {"audio_filepath": tone(tmp_path / "a.wav", 30), "duration": 30, "segments": [segment(20, 25), last]}
    [cut] = loaded(lhotse, entry, windows=WindowConfig(target_window_duration=10 + beyond))
    assert heard(cut) == [list(range(20, 30))]
    assert [each.duration for each in cut.supervisions] == [5, 5]


LEFT, RIGHT = list(range(3, 13)), list(range(33, 43))


@pytest.mark.parametrize(
    ("fields", "channels", "said", "found"),
    [
        ({}, (0, 0), [0, 0], [LEFT]),  # the highest channel that is stated anywhere is the last one
        ({}, (1, 1), [1, 1], [RIGHT]),
        ({}, (0, 1), [0, 1], [LEFT, RIGHT]),
        ({}, ("A", "b"), [0, 1], [LEFT, RIGHT]),
        ({}, ("1", "1"), [0, 0], [LEFT]),  # as in RTTM and CTM
        ({}, ("1", "2"), [0, 1], [LEFT, RIGHT]),
        ({}, ("0", "1"), [0, 1], [LEFT, RIGHT]),
        ({}, ([0, 1], [1]), [[0, 1], 1], [LEFT, RIGHT]),
        ({}, (1.0, None), [1, [0, 1]], [LEFT, RIGHT]),
        ({"audio_num_channels": 2}, (None, None), [[0, 1], [0, 1]], [LEFT, RIGHT]),
        ({"num_channels": 2}, (1, 1), [1, 1], [RIGHT]),
        ({"channels": [0, 1]}, (0, 0), [0, 0], [LEFT]),
        ({"num_channels": 2}, (2, 2), [1, 1], [RIGHT]),
        ({"num_channels": 2}, (1, 2), [0, 1], [LEFT, RIGHT]),
        ({"num_channels": 2}, (0, 2), [[0, 1], [0, 1]], [LEFT, RIGHT]),
        ({"num_channels": 2}, (1, "middle"), [[0, 1], [0, 1]], [LEFT, RIGHT]),
        ({"num_channels": 2, "channel": 1}, (None, None), [1, 1], [RIGHT]),
        ({"num_channels": 2, "channel": 1}, (None, 0), [1, 0], [LEFT, RIGHT]),
    ],
)
def test_lhotse_loads_the_channels_of_a_window(lhotse, tmp_path, fields, channels, said, found):
    told = [segment(3, 8, "a", channel=channels[0]), segment(8, 13, "b", channel=channels[1])]
    elsewhere = segment(20, 21, "c", channel=None if fields else [0, 1])
    entry = {
        "audio_filepath": tone(tmp_path / "a.wav", 30, channels=2),
        "duration": 30,
        "segments": [*told, elsewhere],
        **fields,
    }
    [cut] = loaded(lhotse, entry)
    assert type(cut) is (lhotse.MonoCut if len(found) == 1 else lhotse.MultiCut)
    assert heard(cut) == found
    assert [each.channel for each in cut.supervisions] == said
    assert cut.recording.channel_ids == [0, 1]


def test_lhotse_decomposes_cuts_into_as_many_recordings_as_there_are(lhotse, tmp_path):
    places = [
        *(f"/data/{day}/meeting.wav" for day in ("monday", "tuesday")),
        *("/data/meeting", "/data/meeting.flac", "C:\\data\\meeting.wav", "s3://lake/meeting.wav"),
        *(f"https://host/{day}/meeting.wav?X-Amz-Signature=0a/b.c{day}" for day in ("monday", "tuesday")),
        *(f"https://host/download?id={number}&token=0a/b.c" for number in range(2)),
        *(f"s3://lake/meeting.wav?versionId={number}" for number in range(2)),
        *(f"/data/take{mark}1.wav" for mark in "?#"),
    ]
    entries = [{**AUDIO, "audio_filepath": place, "segments": TWO} for place in places]
    path = tmp_path / "cuts.jsonl"
    path.write_bytes(b"".join(line + b"\n" for entry in entries for line in cut_lines(entry)))
    recordings, supervisions, _ = lhotse.CutSet.from_file(path).decompose()
    assert sorted(each.sources[0].source for each in recordings) == sorted(places)
    assert len(list(supervisions)) == 2 * len(places)
