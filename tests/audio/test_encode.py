import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from alm_beam.audio.encode import OPUS_RATES, decoded, encoded, output_rate
from alm_beam.core.faults import BadEntry
from tests.audio.sounds import speech_like


def integers(bits, channels=1, count=150_001):
    """All samples of so many bits that there may be, the extremes among them."""
    full = 2 ** (bits - 1)
    values = np.random.default_rng(bits).integers(-full, full, (channels, count))
    values[0, :2] = -full, full - 1
    return values


@pytest.mark.parametrize("audio_format", ["flac", "wav"])
@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_integers_come_back_bit_for_bit(audio_format, bits, channels):
    values = integers(bits, channels)
    samples = (values / 2.0 ** (bits - 1)).astype(np.float32)
    data, gain = encoded(samples, 16000, audio_format, bits)
    found, rate = soundfile.read(io.BytesIO(data), dtype="int32", always_2d=True)
    assert (gain, rate) == (None, 16000)
    assert np.array_equal(found.T >> (32 - bits), values)
    assert soundfile.info(io.BytesIO(data)).subtype == f"PCM_{bits}"
    again, rate = decoded(data)
    assert np.array_equal(again, samples)
    assert (again.dtype, again.flags.c_contiguous, rate) == (np.float32, True, 16000)


@pytest.mark.parametrize("audio_format", ["flac", "wav", "opus"])
@pytest.mark.parametrize("bits", [16, 24])
def test_samples_of_16_bits_give_what_they_give_as_floats(audio_format, bits):
    values = integers(16, 2, 20_000).astype(np.int16)
    floats = values.astype(np.float32) / np.float32(32768)
    assert encoded(values, 16000, audio_format, bits) == encoded(floats, 16000, audio_format, bits)


def test_what_is_between_two_integers_is_rounded():
    samples = np.array([[0.4, 0.6, -0.4, -0.6, 100.49]], np.float32) / np.float32(32768)
    assert np.array_equal(decoded(encoded(samples, 8000, "wav", 16).data)[0] * 32768, [[0, 1, 0, -1, 100]])


@pytest.mark.parametrize("audio_format", ["flac", "wav", "opus"])
@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("peak", [1.0, 1.25, -1.25, 1e-3 + 1, 300.0, -7.7])
def test_what_is_above_full_scale_is_scaled_as_a_whole(audio_format, bits, peak):
    samples = speech_like(1, channels=2).T.copy()
    samples[1, 5000] = peak
    data, gain = encoded(samples, 16000, audio_format, bits)
    if peak == 1 and audio_format == "opus":
        assert gain is None
        return
    assert gain == pytest.approx(1 / abs(peak), rel=1e-4)
    found, _ = decoded(data)
    if audio_format != "opus":
        assert np.abs(found - samples * gain).max() <= 1.01 * 2.0 ** -(bits - 1)
        assert found[1, 5000] == pytest.approx(np.sign(peak), abs=2.0 ** -(bits - 2))


def test_full_scale_below_0_needs_no_gain():
    assert encoded(np.array([[-1.0, 0.0]], np.float32), 8000, "flac", 16).gain is None


@pytest.mark.parametrize("rate", OPUS_RATES)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_opus_has_as_many_samples_and_sounds_alike(rate, channels):
    samples = speech_like(2.0001, rate, channels).T
    found, found_rate = decoded(encoded(samples, rate, "opus", 16).data)
    assert (found.shape, found_rate) == (samples.shape, rate)
    alike = np.corrcoef(found, samples)[:channels, channels:]  # noise is hard for a codec: 0.68 at the least
    assert np.diag(alike).min() > 0.6
    assert np.abs(alike - np.diag(np.diag(alike))).max() < 0.1


_ENCODE = """
import hashlib, sys
from alm_beam.audio.encode import encoded
from tests.audio.sounds import speech_like
print(hashlib.sha256(encoded(speech_like(3, 16000, 2).T, 16000, sys.argv[1], 16).data).hexdigest())
"""


@pytest.mark.parametrize("audio_format", ["flac", "wav", "opus"])
def test_the_same_samples_give_the_same_bytes_in_any_process(audio_format):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", _ENCODE, audio_format]
    other = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()
    data = encoded(speech_like(3, 16000, 2).T, 16000, audio_format, 16).data
    assert hashlib.sha256(data).hexdigest() == other


def test_another_number_of_the_stream_changes_nothing_that_is_heard():
    samples = speech_like(5, 48000)
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", 48000, 1, "OPUS", format="OGG") as file:
        for begin in range(0, len(samples), 1 << 16):
            file.write(samples[begin : begin + (1 << 16)])
    expected, _ = soundfile.read(io.BytesIO(buffer.getvalue()), dtype="float32")
    data = encoded(samples.T, 48000, "opus", 16).data
    assert len(data) == len(buffer.getvalue())
    assert np.array_equal(decoded(data)[0][0], expected)


def test_long_opus_is_written():
    samples = np.tile(speech_like(10, 8000).T, (1, 24))
    assert decoded(encoded(samples, 8000, "opus", 16).data)[0].shape == samples.shape


@pytest.mark.parametrize(
    ("channels", "rate", "audio_format", "said"),
    [
        (9, 16000, "flac", "has 9 channels, and flac holds 8 at most; use --channels mono"),
        (1, 700_000, "flac", "has 700000 Hz, and flac holds 655350 at most"),
    ],
)
def test_what_a_format_does_not_hold(channels, rate, audio_format, said):
    with pytest.raises(BadEntry, match=said):
        encoded(np.zeros((channels, 100), np.float32), rate, audio_format, 16)
    data = encoded(np.zeros((channels, 100), np.float32), rate, "wav", 16).data
    assert (decoded(data)[0].shape, decoded(data)[1]) == ((channels, 100), rate)


def test_what_is_no_audio_is_not_decoded():
    with pytest.raises(BadEntry, match="audio cannot be decoded"):
        decoded(b"no audio at all")


@pytest.mark.parametrize("file_rate", [1, 8000, 11025, 16000, 44100, 48000, 96000])
def test_output_rates(file_rate):
    assert output_rate(file_rate, 0, "flac") == output_rate(file_rate, 0, "wav") == file_rate
    assert output_rate(file_rate, 22050, "wav") == 22050
    assert output_rate(file_rate, 24000, "opus") == 24000
    found = output_rate(file_rate, 0, "opus")
    assert found in OPUS_RATES
    assert found >= min(file_rate, 48000)
