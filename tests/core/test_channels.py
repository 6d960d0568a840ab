"""Which channels are stated, and what stays in custom fields. Lhotse loads them in test_cuts_in_lhotse.py."""

from typing import Any

import pytest

from alm_beam.core.channels import MAX_CHANNELS
from alm_beam.core.config import EntryConfig
from tests.core.test_cuts import AUDIO, DEFAULT, TWO, cuts


def cut_of(*channels: Any, config: EntryConfig = DEFAULT, **fields: Any) -> dict[str, Any]:
    segments = [{**each, "channel": channel} for each, channel in zip(TWO, channels)] if channels else TWO
    [cut] = cuts({**AUDIO, **fields, "segments": segments}, fields=config)
    return cut


def customs(cut: dict[str, Any]) -> list[dict[str, Any]]:
    return [each["custom"] for each in cut["supervisions"]]


def test_what_states_no_channels_is_on_the_only_one():
    cut = cut_of()
    assert (cut["type"], cut["channel"]) == ("MonoCut", 0)
    assert cut["recording"]["channel_ids"] == cut["recording"]["sources"][0]["channels"] == [0]
    assert [each["channel"] for each in cut["supervisions"]] == [0, 0]


@pytest.mark.parametrize(
    ("channels", "fields", "said"),
    [
        ((0, 3), {}, (4, [0, 3], [0, 3])),
        ((3, 3), {}, (4, 3, [3, 3])),
        (([2, 1], 3), {}, (4, [1, 2, 3], [[1, 2], 3])),
        ((), {"audio_num_channels": 1}, (1, 0, [0, 0])),
        ((), {"num_channels": "2"}, (2, [0, 1], [[0, 1], [0, 1]])),
        ((), {"channels": [1, 0]}, (2, [0, 1], [[0, 1], [0, 1]])),
        ((), {"channels": ["A", "B"]}, (2, [0, 1], [[0, 1], [0, 1]])),
        ((), {"channel": 1}, (2, 1, [1, 1])),
        ((), {"channel": 1, "num_channels": 4}, (4, 1, [1, 1])),
        ((1, 1), {"audio_num_channels": 1}, (1, 0, [0, 0])),  # counted from 1, as RTTM's of one channel are
        (("1", "1"), {"num_channels": 1}, (1, 0, [0, 0])),
        (("1", "1"), {}, (1, 0, [0, 0])),  # as text, they are those of RTTM and CTM
        (("1", "2"), {}, (2, [0, 1], [0, 1])),
        (("0", "1"), {}, (2, [0, 1], [0, 1])),
        ((["0", "1"], "1"), {}, (2, [0, 1], [[0, 1], 1])),
        (("1", "1"), {"num_channels": 2}, (2, 0, [0, 0])),
        (("1", None), {"num_channels": 2, "channel": "0"}, (2, [0, 1], [1, 0])),
        ((), {"channels": ["1", "2"]}, (2, [0, 1], [[0, 1], [0, 1]])),
        ((1, 1), {"audio_num_channels": 2, "num_channels": 1}, (2, 1, [1, 1])),
    ],
)
def test_channels_that_are_stated_are_stated_once(channels, fields, said):
    cut = cut_of(*channels, **fields)
    count, of_cut, of_each = said
    assert cut["recording"]["channel_ids"] == cut["recording"]["sources"][0]["channels"] == list(range(count))
    assert cut["channel"] == of_cut
    assert cut["type"] == ("MonoCut" if type(of_cut) is int else "MultiCut")
    assert [each["channel"] for each in cut["supervisions"]] == of_each
    assert not any("channel" in custom for custom in customs(cut))
    left = {name for name in fields if name in cut["custom"]}
    assert left == ({"num_channels"} if "audio_num_channels" in fields and "num_channels" in fields else set())


@pytest.mark.parametrize(
    "nonsense", ["left", "", "C", -1, 1.5, True, [], [0, 0], [0, "x"], {"id": 0}, MAX_CHANNELS, "²"]
)
def test_channels_that_make_no_sense_stay_custom_and_all_is_on_all(nonsense):
    cut = cut_of(0, nonsense)
    assert (cut["type"], cut["channel"], cut["recording"]["channel_ids"]) == ("MonoCut", 0, [0])
    assert [custom["channel"] for custom in customs(cut)] == [0, nonsense]
    cut = cut_of(0, nonsense, num_channels=2)
    assert (cut["channel"], cut["recording"]["channel_ids"]) == ([0, 1], [0, 1])
    assert [each["channel"] for each in cut["supervisions"]] == [[0, 1], [0, 1]]
    assert [custom["channel"] for custom in customs(cut)] == [0, nonsense]


@pytest.mark.parametrize("nonsense", ["stereo", 0, -2, 1.5, True, [], [1, 2], {"left": 0}, MAX_CHANNELS + 1, 10**12])
def test_a_number_of_channels_that_makes_no_sense_stays_custom(nonsense):
    cut = cut_of(channels=nonsense)
    assert (cut["type"], cut["channel"], cut["recording"]["channel_ids"]) == ("MonoCut", 0, [0])
    assert cut["custom"]["channels"] == nonsense


def test_channels_beyond_the_stated_number_are_counted_from_1_or_make_no_sense():
    assert cut_of(1, 2, num_channels=2)["supervisions"][1]["channel"] == 1
    assert [each["channel"] for each in cut_of(0, 2, num_channels=2)["supervisions"]] == [[0, 1], [0, 1]]
    assert [each["channel"] for each in cut_of(1, 3, num_channels=2)["supervisions"]] == [[0, 1], [0, 1]]


def test_dropped_fields_state_no_channel():
    config = EntryConfig(
        drop_fields=frozenset({"channel"}), drop_fields_top_level=frozenset({"num_channels", "segments"})
    )
    cut = cut_of(1, 1, config=config, num_channels=2)
    assert (cut["type"], cut["channel"], cut["recording"]["channel_ids"]) == ("MonoCut", 0, [0])
    assert "num_channels" not in cut["custom"]


def test_without_a_recording_the_number_of_channels_stays_custom():
    cut = cut_of(0, 1, num_channels=2, audio_filepath=None)
    assert (cut["type"], cut["channel"], cut["custom"]["num_channels"]) == ("MultiCut", [0, 1], 2)


def test_a_window_states_the_channels_of_what_is_said_in_it():
    outside = {**TWO[0], "start": 0, "end": 1, "channel": 2}
    told = [{**TWO[0], "channel": 0}, outside, {**TWO[1], "channel": 0}]
    [cut] = [each for each in cuts({**AUDIO, "segments": told}) if each["start"] == 1.5]
    assert (cut["type"], cut["channel"], cut["recording"]["channel_ids"]) == ("MonoCut", 0, [0, 1, 2])


def test_a_channel_of_an_entry_that_is_a_word_says_nothing_of_its_segments():
    cut = cut_of(0, 1, channel="TED")
    assert (cut["channel"], cut["custom"]["channel"]) == ([0, 1], "TED")
    assert "channel" not in customs(cut)[0]
