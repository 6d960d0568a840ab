import json
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.audio import bandwidth
from alm_beam.audio.bandwidth import BandwidthMeter
from alm_beam.audio.measure import measure_audio
from alm_beam.audio.open import opened_audio
from tests.audio.sounds import speech_like

FETCHED = Path(__file__).parents[3] / "shared" / "inputs" / "fetched"
needs_fetched = pytest.mark.skipif(not FETCHED.is_dir(), reason=f"the fetched inputs are not at {FETCHED}")
RATES = [8000, 11025, 16000, 22050, 44100, 48000]


def at_once(samples, rate):
    """The bandwidth of all samples of a segment, in double precision, frame by frame."""
    if not samples.any():
        return None
    hop = int(rate * 0.01)
    padded = np.pad(samples.astype(np.float64), 256)
    turns = 2 * np.pi * np.arange(512) / 512
    window = sum(f * np.cos(k * turns) for k, f in enumerate((0.35875, -0.48829, 0.14128, -0.01168)))
    starts = range(0, len(padded) - 511, hop)
    power = np.mean([np.abs(np.fft.rfft(padded[start : start + 512] * window)) ** 2 for start in starts], axis=0)
    decibels = 10 * np.log10(np.maximum(power, 1e-10))
    return int(max(np.flatnonzero(decibels - decibels.max() > -50)) * (rate / 512))


def metered(samples, rate, spans, sizes):
    meter = BandwidthMeter(rate, spans)
    begin, turn = 0, 0
    while begin < len(samples):
        size = sizes[turn % len(sizes)]
        meter.add(samples[begin : begin + size])
        begin, turn = begin + size, turn + 1
    return meter.bandwidths()


def tagged(number):
    lines = (FETCHED / "tagging_base.jsonl").read_text().splitlines()
    segments = [each for each in json.loads(lines[number - 1])["segments"] if "bandwidth" in each.get("metrics", {})]
    return [(each["start"], each["end"]) for each in segments], [each["metrics"]["bandwidth"] for each in segments]


@needs_fetched
def test_all_values_that_curator_measured_of_the_first_recording_come_out():
    spans, expected = tagged(1)
    assert len(expected) == 16
    assert measure_audio(str(FETCHED / "audio_1.opus"), bandwidth_of=spans).bandwidths == expected


@needs_fetched
def test_so_do_those_of_the_second_one_which_begins_late():
    """Its first samples are those with which an Opus decoder begins, as Curator's copy has them."""
    spans, expected = tagged(2)
    assert len(expected) == 10
    assert measure_audio(str(FETCHED / "audio_2.opus"), bandwidth_of=spans).bandwidths == expected


@needs_fetched
def test_parts_of_the_second_one_are_where_players_have_them():
    """FFmpeg leaves these first samples out."""
    with av.open(str(FETCHED / "audio_2.opus")) as file:
        expected = np.concatenate([frame.to_ndarray().T for frame in file.decode(audio=0)])
    with opened_audio(str(FETCHED / "audio_2.opus")) as audio:
        for start in (0, 1000, 48000, 2_000_000):
            [part] = audio.blocks(5000, start, start + 5000)
            assert np.abs(part - expected[start : start + 5000]).max() < 0.01


@needs_fetched
def test_they_come_out_by_double_precision_and_all_at_once_too():
    spans, expected = tagged(1)
    with opened_audio(str(FETCHED / "audio_1.opus")) as audio:
        samples = np.concatenate([block.mean(axis=1) for block in audio.blocks(48000)])
    assert [at_once(samples[int(start * 48000) : int(end * 48000)], 48000) for start, end in spans] == expected


@settings(deadline=None)
@given(
    rate=st.sampled_from(RATES),
    spans=st.lists(st.tuples(st.floats(-0.1, 2.5), st.floats(0, 1.5)), max_size=12),
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=5),
)
def test_blocks_of_any_size_give_what_all_samples_at_once_do(rate, spans, sizes):
    samples = speech_like(2, rate)[:, 0]
    spans = [(start, start + length) for start, length in spans]
    expected = [at_once(samples[max(0, int(start * rate)) : max(0, int(end * rate))], rate) for start, end in spans]
    assert metered(samples, rate, spans, sizes) == expected


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("count", [1, 2, 79, 80, 255, 256, 257, 480, 511, 512, 513, 1000])
def test_short_segments(rate, count):
    samples = speech_like(1, rate)[:, 0]
    begin = rate // 3
    span = (begin / rate, (begin + count) / rate)
    first, last = int(span[0] * rate), int(span[1] * rate)
    assert metered(samples, rate, [span], [700]) == [at_once(samples[first:last], rate)]


def test_what_has_no_samples_or_only_zeros_has_no_bandwidth():
    samples = np.concatenate([np.zeros(8000, np.float32), speech_like(1, 8000)[:, 0]])
    spans = [(0.0, 0.9), (0.5, 0.5), (3.0, 4.0), (1.5, 1.0), (1.9, 100.0), (0.5, 1.6), (0.0, 0.9)]
    silent, empty, behind, backwards, cut_off, mixed, again = metered(samples, 8000, spans, [3000])
    assert (silent, empty, behind, backwards, again) == (None,) * 5
    assert cut_off == at_once(samples[15200:], 8000)
    assert mixed == at_once(samples[4000:12800], 8000)


def test_a_tone_ends_near_its_frequency_and_the_mean_of_channels_is_taken(tmp_path):
    times = np.arange(16000) / 16000
    low, high = (np.sin(2 * np.pi * hertz * times) * np.hanning(16000) for hertz in (1000, 3000))
    soundfile.write(tmp_path / "a.wav", np.stack([0.4 * (high + low), 0.4 * (low - high)], 1), 16000)
    soundfile.write(tmp_path / "b.wav", np.stack([0.4 * (high + low), 0.4 * low], 1), 16000)
    [only_low] = measure_audio(str(tmp_path / "a.wav"), bandwidth_of=[(0, 1)]).bandwidths
    [both] = measure_audio(str(tmp_path / "b.wav"), bandwidth_of=[(0, 1)]).bandwidths
    assert 1000 < only_low < 1000 + 4 * 31.25
    assert 3000 < both < 3000 + 4 * 31.25


def test_the_window_is_that_of_blackman_and_harris():
    """Its values at the ends, at a quarter and in the middle, of 512, periodic."""
    assert bandwidth._WINDOW[[0, 128, 256, 384]] == pytest.approx([0.00006, 0.21747, 1.0, 0.21747], abs=1e-6)


def test_a_time_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="not a number"):
        BandwidthMeter(8000, [(0.0, float("nan"))])


def test_a_rate_without_a_hop_has_no_bandwidths():
    assert metered(speech_like(1, 99)[:, 0], 99, [(0, 1)], [10]) == [None]
