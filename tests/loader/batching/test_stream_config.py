import dataclasses

import pytest

from alm_beam.core.parameters import ConfigError
from alm_beam.loader.batching.bucket_sizes import length_buckets
from alm_beam.loader.batching.stream_config import StreamConfig


def test_defaults_are_those_of_omnilingual_but_for_the_window_with_which_it_fails():
    assert dataclasses.asdict(StreamConfig()) == {
        "batching_strategy": "LENGTH",
        "batch_size": 8,
        "max_num_elements": 3_200_000,
        "num_seqs_multiple_of": 8,
        "min_audio_len": 1,
        "max_audio_len": 800_000,
        "max_bucket_size": None,
        "drop_remainder": False,
        "example_shuffle_window": 1,
        "batch_shuffle_window": 1000,
        "seed": 2,
        "num_prefetch": 4,
        "sample_rate": 16_000,
    }


def test_buckets_are_those_of_the_parameters():
    config = StreamConfig(
        min_audio_len=16_000,
        max_audio_len=480_000,
        max_num_elements=1_500_000,
        num_seqs_multiple_of=4,
        max_bucket_size=10,
    )
    assert config.buckets == length_buckets(
        min_audio_len=16_000,
        max_audio_len=480_000,
        max_num_elements=1_500_000,
        num_seqs_multiple_of=4,
        max_bucket_size=10,
    )
    assert config.buckets.max_num_elements == 1_440_000
    assert "max_num_elements=1500000 was rounded down to 1440000, a multiple of max_audio_len=480000" in config.report()


def test_nothing_is_said_of_a_budget_that_holds():
    assert "rounded" not in StreamConfig().report()


def test_limits_in_seconds_are_rounded_to_samples():
    config = StreamConfig.in_seconds(max_seconds=2, min_duration=0.5, max_duration=1.0, sample_rate=8001, seed=5)
    assert (config.max_num_elements, config.min_audio_len, config.max_audio_len) == (16_002, 4001, 8001)
    assert (config.sample_rate, config.seed) == (8001, 5)


def test_defaults_in_seconds_are_the_same_at_16_khz():
    assert StreamConfig.in_seconds() == StreamConfig()
    assert StreamConfig.in_seconds(sample_rate=8000).max_audio_len == 400_000


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"example_shuffle_window": 0}, "example_shuffle_window=0: .* 1 means no shuffling, .* full shuffle"),
        ({"batch_shuffle_window": 0}, "batch_shuffle_window=0: .* 1 means no shuffling"),
        (
            {"max_num_elements": 640_000, "max_audio_len": 960_000},
            "max_num_elements=640000: is below max_audio_len=960000",
        ),
        ({"batching_strategy": "BatchingStrategy.LENGTH"}, r"'BatchingStrategy.LENGTH': must be one of \('LENGTH'"),
        ({"min_audio_len": 0}, "min_audio_len=0: must be an integer, at least 1"),
        ({"min_audio_len": 9, "max_audio_len": 8}, "min_audio_len=9: must be at most max_audio_len=8"),
        ({"max_audio_len": 50.0}, "max_audio_len=50.0: must be an integer"),
        ({"max_bucket_size": 3}, "max_bucket_size=3: leaves no bucket, as a batch of the longest items has 4"),
        ({"max_bucket_size": 8.0}, "max_bucket_size=8.0: must be an integer, or None"),
        ({"batch_size": 0}, "batch_size=0: must be an integer, at least 1"),
        ({"num_seqs_multiple_of": 0}, "num_seqs_multiple_of=0: must be an integer, at least 1"),
        ({"num_prefetch": -1}, "num_prefetch=-1: must be an integer, at least 0"),
        ({"sample_rate": 0}, "sample_rate=0: must be an integer, at least 1"),
        ({"seed": 1.5}, "seed=1.5: must be an integer"),
        ({"drop_remainder": "no"}, "drop_remainder='no': must be True or False"),
        ({"batching_strategy": "STATIC", "min_audio_len": -1}, "min_audio_len=-1: must be an integer, at least 0"),
        ({"batching_strategy": "STATIC", "min_audio_len": 9, "max_audio_len": 8}, "min_audio_len=9: must be at most"),
    ],
)
def test_wrong_parameters_are_refused(parameters, fault):
    with pytest.raises(ConfigError, match=fault):
        StreamConfig(**parameters)


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"max_seconds": float("nan")}, "max_seconds=nan: must be a number of seconds"),
        ({"min_duration": -1}, "min_duration=-1: must be a number of seconds"),
        ({"max_duration": "60"}, "max_duration=60: must be a number of seconds"),
        ({"max_duration": float("inf")}, "max_duration=inf: must be a number of seconds"),
        ({"sample_rate": 16e3}, "sample_rate=16000.0: must be an integer"),
        ({"max_seconds": 40, "max_duration": 60}, "max_num_elements=640000: is below max_audio_len=960000"),
    ],
)
def test_wrong_seconds_are_refused(parameters, fault):
    with pytest.raises(ConfigError, match=fault):
        StreamConfig.in_seconds(**parameters)


def test_items_that_a_pass_holds_are_those_of_each_stage():
    config = StreamConfig(
        min_audio_len=32_000, max_audio_len=960_000, max_num_elements=960_000, example_shuffle_window=50
    )
    assert config.max_held == 50 + 358 + (1000 + 4 + 1) * 24
    plain = dataclasses.replace(config, example_shuffle_window=1, batch_shuffle_window=1, num_prefetch=0)
    assert plain.max_held == 358 + 24


def test_static_takes_items_of_no_length_and_no_budget():
    config = StreamConfig(batching_strategy="STATIC", min_audio_len=0, max_num_elements=1, batch_size=3)
    assert config.max_batch_size == 3
    assert config.max_held == (1 + 4 + 1000) * 3
    assert config.report().startswith("STATIC: batches of 3 items.")
