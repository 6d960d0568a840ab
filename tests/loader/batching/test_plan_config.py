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
