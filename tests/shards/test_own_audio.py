"""The cut that stands for its own audio."""

import copy
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.faults import BadEntry
from alm_beam.shards.format import SlicedWindow
from alm_beam.shards.names import member_name
from alm_beam.shards.own_audio import own_audio_cut
from tests.shards.windows import cut_of

ARRAY = {"storage_type": "numpy_files", "storage_path": "a", "storage_key": "b.npy", "shape": [2, 3]}
OVER_TIME = {"array": ARRAY, "temporal_dim": 0, "frame_shift": 0.1, "start": 1234.5}
ELSEWHERE = {"id": "far", "sources": [{"type": "file", "channels": [0], "source": "far.wav"}], "sampling_rate": 16000}


def window(cut: dict[str, Any], channels: int = 1, samples: int = 16000, rate: int = 16000) -> SlicedWindow:
    """A window whose audio nobody reads."""
    return SlicedWindow(cut, member_name(cut["id"]), b"", "flac", rate, channels, samples, "en")


def test_it_stands_for_the_audio():
    own = own_audio_cut(window(cut_of("a", channel=2)))
    assert own["recording"] == {
        "id": "a",
        "sources": [{"type": "shar", "channels": [0], "source": ""}],
        "sampling_rate": 16000,
        "num_samples": 16000,
        "duration": 1.0,
        "channel_ids": [0],
    }
    assert (own["id"], own["start"], own["duration"], own["channel"], own["type"]) == ("a", 0.0, 1.0, 0, "MonoCut")


def test_the_source_is_what_the_caller_says():
    own = own_audio_cut(window(cut_of("a")), "file", "audio/a.flac")
    assert own["recording"]["sources"] == [{"type": "file", "channels": [0], "source": "audio/a.flac"}]


def test_supervisions_and_custom_fields_stay():
    cut = cut_of("a")
    own = own_audio_cut(window(cut))
    assert own["supervisions"] == [{**cut["supervisions"][0], "recording_id": "a"}]
    told = {"sliced_from": {"recording_id": "meeting", "start": 1234.5, "channel": 0}}
    assert own["custom"] == {**cut["custom"], **told}


@pytest.mark.parametrize("cut_id", ["a.b", "../a", "会議", "a-0123456789abcdef"])
def test_an_id_that_is_no_name_is_told(cut_id):
    own = own_audio_cut(window(cut_of(cut_id)))
    assert own["id"] == own["recording"]["id"] == own["supervisions"][0]["recording_id"] == member_name(cut_id)
    assert own["custom"]["cut_id"] == cut_id


@pytest.mark.parametrize("channel", [3, [1, 3], [0, 1, 2, 3]])
def test_the_cut_that_was_sliced_is_not_changed(channel):
    cut = cut_of("a.b", channel=channel, features={"num_features": 80})
    cut["custom"]["alignment"] = OVER_TIME
    cut["supervisions"][0]["custom"]["alignment"] = OVER_TIME
    before = copy.deepcopy(cut)
    own_audio_cut(window(cut, channels=2))
    own_audio_cut(window(cut))
    assert cut == before


@pytest.mark.parametrize(
    ("channel", "count", "said", "own_channel", "own_said"),
    [
        (2, 1, [2, [2], 0, None], 0, [0, 0, 0, 0]),
        ([1, 3], 1, [1, 3, [1, 3]], 0, [0, 0, 0]),  # the mean of both
        ([1, 3], 2, [1, 3, [1, 3], [3, 1], [3]], [0, 1], [0, 1, [0, 1], [0, 1], [1]]),
        ([3, 1], 2, [1, 3], [0, 1], [0, 1]),  # audio has channels in ascending order
        ([1, 3], 2, [2, [2, 3], [], "x", [[1]]], [0, 1], [[0, 1], [1], [0, 1], [0, 1], [0, 1]]),
        ([0, 1, 2], 2, [0, 1, 2, [1, 2]], [0, 1], [0, 1, [0, 1], [1]]),  # the file had fewer than were stated
        ([0, 1], 3, [1], [0, 1, 2], [1]),
    ],
)
def test_channels_are_those_of_the_audio(channel, count, said, own_channel, own_said):
    cut = cut_of("a", channel=channel)
    cut["supervisions"] = [{"id": f"{at}", "recording_id": "meeting", "channel": each} for at, each in enumerate(said)]
    own = own_audio_cut(window(cut, channels=count))
    assert own["channel"] == own_channel
    assert own["recording"]["channel_ids"] == own["recording"]["sources"][0]["channels"] == list(range(count))
    assert [each["channel"] for each in own["supervisions"]] == own_said
    assert own["type"] == ("MonoCut" if count == 1 else "MultiCut")


def test_a_supervision_without_channel_is_on_the_first_one():
    cut = cut_of("a", channel=[0, 1])
    del cut["supervisions"][1]["channel"]
    assert own_audio_cut(window(cut, channels=2))["supervisions"][1]["channel"] == 0


def test_what_follows_the_time_of_the_recording_elsewhere_is_left_out():
    custom = {
        "alignment": OVER_TIME,
        "embedding": ARRAY,
        "close_talk": ELSEWHERE,
        "prompt": ELSEWHERE,
        "prompt_unaligned": True,
        "note": {"array": 1, "id": 2},
    }
    cut = cut_of("a", features={"num_features": 80}, custom=custom)
    cut["supervisions"][0]["custom"] = dict(custom)
    cut["supervisions"][0]["alignment"] = {"word": [["on", 0.3, 0.1, None]]}
    own = own_audio_cut(window(cut))
    assert "features" not in own
    kept = ["embedding", "prompt", "prompt_unaligned", "note"]
    assert own["custom"].keys() == {*kept, "sliced_from"}
    assert own["supervisions"][0]["custom"] == {name: custom[name] for name in kept}
    assert own["supervisions"][0]["alignment"] == {"word": [["on", 0.3, 0.1, None]]}


def lhotse_samples(duration: float, rate: int) -> int:
    """As `compute_num_samples` of Lhotse 1.33 and 2.0.0a7 counts."""
    return int(Decimal(round(duration * rate, ndigits=8)).quantize(0, rounding=ROUND_HALF_UP))


durations = st.floats(1e-3, 1e5) | st.integers(1, 10**6).map(lambda halves: halves / 2 / 16000)
rates = st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000, 1])


@given(durations, rates)
def test_the_duration_stays_where_it_gives_the_samples(duration, rate):
    samples = lhotse_samples(duration, rate)
    own = own_audio_cut(window(cut_of("a", duration), samples=samples, rate=rate))
    assert own["duration"] == duration
    assert own["recording"]["duration"] == samples / rate


@given(durations, rates, st.integers(-3, 3))
def test_the_duration_always_gives_the_samples(duration, rate, more):
    samples = max(lhotse_samples(duration, rate) + more, 1)
    own = own_audio_cut(window(cut_of("a", duration), samples=samples, rate=rate))
    assert lhotse_samples(own["duration"], rate) == samples


@pytest.mark.parametrize("absent", [None, {}])
def test_a_cut_may_have_no_custom_fields_or_supervisions(absent):
    cut = cut_of("a", custom=absent, supervisions=None if absent is None else [])
    assert own_audio_cut(window(cut))["supervisions"] == []
    del cut["custom"], cut["supervisions"], cut["type"], cut["channel"]
    own = own_audio_cut(window(cut))
    assert (own["supervisions"], own["custom"].keys(), own["type"]) == ([], {"sliced_from"}, "MonoCut")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"custom": [1]}, "custom: expected an object, found list"),
        ({"supervisions": {"id": "a"}}, "supervisions: expected a list, found object"),
        ({"supervisions": ["a"]}, 'supervisions[0]: expected an object, found string "a"'),
        ({"supervisions": [{"custom": 1}]}, "supervisions[0].custom: expected an object, found number 1"),
    ],
)
def test_what_is_malformed_is_named(fields, message):
    with pytest.raises(BadEntry) as error:
        own_audio_cut(window(cut_of("a", **fields)))
    assert (error.value.reason.value, error.value.detail) == ("not_a_cut", message)
