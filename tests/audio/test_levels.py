import math

import numpy as np
import pytest

from alm_beam.audio.levels import FULL_SCALE, LevelMeter, Levels
from tests.audio.sounds import speech_like


def metered(samples, rate, spans, size):
    meter = LevelMeter(rate, spans)
    for begin in range(0, len(samples), size):
        meter.add(samples[begin : begin + size])
    return meter.levels()


def at_once(samples):
    squares = samples.astype(np.float64) ** 2
    return 10 * math.log10(squares.mean()), 20 * math.log10(np.abs(samples).max())


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 777, 100000])
def test_levels_are_over_all_samples_of_all_channels(channels, size):
    samples = speech_like(1, 8000, channels)
    spans = [(0.2, 0.9), (0.0, 1.0), (0.5, 0.6), (0.95, 7.0), (0.5, 0.5), (1.0, 2.0)]
    *found, empty, behind = metered(samples, 8000, spans, size)
    for levels, (start, end) in zip(found, spans):
        rms, peak = at_once(samples[int(start * 8000) : int(end * 8000)])
        assert levels.rms == pytest.approx(rms, abs=1e-6)
        assert levels.peak == pytest.approx(peak, abs=1e-6)
        assert levels.clipped == 0
    assert (empty, behind) == (None, None)


def test_known_levels():
    sine = np.sin(2 * np.pi * np.arange(8000) / 80).astype(np.float32)[:, None]
    [levels] = metered(sine, 8000, [(0, 1)], 8000)
    assert levels.rms == pytest.approx(-3.0103, abs=1e-4)
    assert levels.peak == pytest.approx(0, abs=1e-6)
    [silent] = metered(np.zeros((100, 2), np.float32), 100, [(0, 1)], 7)
    assert silent == Levels(None, None, 0.0)


def test_samples_at_full_scale_are_clipped():
    samples = np.zeros((8, 2), np.float32)
    samples[0, 0], samples[1, 1], samples[2, 0], samples[3, 1] = FULL_SCALE, -1, 2.5, FULL_SCALE - 1e-4
    [levels] = metered(samples, 8, [(0, 1)], 3)
    assert levels.clipped == 3 / 16
    assert levels.peak == pytest.approx(20 * math.log10(2.5), abs=1e-6)
