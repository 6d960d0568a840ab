"""Lengths in samples, as the audio of windows has them."""

import numpy as np
import pytest

from alm_beam.audio.spans import counted_samples
from alm_beam.loader.batching.plan_config import PlanConfig


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100])
def test_lengths_are_those_of_the_audio(rate):
    generator = np.random.default_rng(rate)
    durations = np.concatenate((generator.uniform(0, 200, 2000), (generator.integers(0, 10**6, 2000) + 0.5) / rate))
    found = PlanConfig(batch_size=1, sample_rate=rate).lengths(durations)
    assert found.tolist() == [counted_samples(seconds, rate) for seconds in durations.tolist()]


def test_windows_without_a_sample_are_left_out():
    takes = PlanConfig(batch_size=1).takes(np.array([0.0, 0.00001, 0.0001]))
    assert takes.tolist() == [False, False, True]


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
def test_a_budget_and_an_edge_hold_the_windows_that_have_their_seconds(rate):
    generator = np.random.default_rng(rate)
    for seconds in (generator.integers(1, 60_000, 300) / 1000).tolist():
        count = int(generator.integers(1, 30))
        [samples] = PlanConfig(batch_size=1, sample_rate=rate).lengths(np.array([seconds]))
        config = PlanConfig(max_seconds=seconds, sample_rate=rate)
        assert config.table(np.array([samples] * count), 1) == [(1, samples)]
        config = PlanConfig(batch_size=4, sample_rate=rate, buckets=[seconds, 100.0])
        assert config.table(np.array([samples, 90 * rate]), 1)[0].longest == samples
    assert PlanConfig(max_seconds=64.6).table(PlanConfig(batch_size=1).lengths(np.array([32.3])), 1)[0].size == 2


def test_what_the_message_advises_is_taken():
    durations = np.array([10.00055, 10.0004])
    with pytest.raises(ValueError, match="max_duration=") as caught:
        PlanConfig(max_num_elements=160_008).table(PlanConfig(batch_size=1).lengths(durations), 1)
    advised = float(str(caught.value).rpartition("max_duration=")[2])
    assert not PlanConfig(max_num_elements=160_008, max_duration=advised).takes(durations).any()
    assert advised == 10.0


def test_edges_of_less_than_a_sample_or_of_one_length_make_no_bucket():
    config = PlanConfig(batch_size=4, buckets=[1e-9, 1.0, 1.00000001, 20.0])
    assert [bucket.longest for bucket in config.table(np.array([100, 300_000]), 1)] == [16_000, 300_000]


def test_sizes_that_no_batch_has_are_cut():
    [bucket] = PlanConfig(max_num_elements=1 << 60, buckets=1).table(np.array([1]), 1 << 20)
    assert bucket.size == 1 << 31


def test_buckets_may_come_from_json():
    assert PlanConfig(buckets=[[8, 32_000], [1, 200_000]]).given_buckets == [(8, 32_000), (1, 200_000)]
