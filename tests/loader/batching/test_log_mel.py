"""The features of the docs' example: 80 log-mel bins, in NumPy, against those of librosa."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from alm_beam.loader import BatchLoader, WindowBatches, Windows, collate
from tests.docs.blocks import REPOSITORY, blocks

[SHOWN] = [block.text for block in blocks(REPOSITORY / "docs" / "batches.md") if "def log_mel" in block.text]
PAGE: dict[str, Any] = {}
exec(SHOWN.partition("\nprint(")[0], PAGE)
log_mel = PAGE["log_mel"]


def sound(sample_rate: int) -> np.ndarray:
    """A second and a bit: a tone that rises from 100 Hz to 4,000 Hz, and noise."""
    time = np.arange(round(sample_rate * 1.1)) / sample_rate
    tone = np.sin(2 * np.pi * (100 * time + 3900 / 2.2 * time**2))
    noise = np.random.RandomState(0).uniform(-0.01, 0.01, len(time))
    return (0.3 * tone + noise).astype(np.float32)


LIBROSA = {
    16000: [
        [-8.4396, -6.0842, -4.6701, -5.4776, -3.6514],
        [-5.7469, -6.9528, 3.6708, -4.1026, -4.7109],
        [-8.0024, -6.4432, -4.8241, -6.1856, -3.7487],
        [-6.1657, -6.4695, -5.2878, -4.6621, -3.0767],
        [-6.9579, -7.5196, -5.4931, -4.6223, -3.3949],
    ],
    44100: [
        [-6.4125, -5.6587, -2.8952, -2.4644, -1.2421],
        [-4.8004, -4.4604, -4.3851, -2.5050, -1.7177],
        [-7.6312, -2.8350, 5.8948, -2.4590, -1.7154],
        [-5.0888, -4.6972, -3.7230, -3.0595, -1.8428],
        [-4.3474, -3.6343, -3.9045, -2.9035, -1.2397],
    ],
}
"""What librosa 0.11.0 gives for frames 5, 30, ... and bins 0, 16, ... of the sound:
np.log(np.maximum(librosa.feature.melspectrogram(y=sound(rate), sr=rate, n_fft=rate // 40, hop_length=rate // 100,
n_mels=80, htk=True, norm=None, pad_mode="reflect"), 1e-10)). All of its values are those of `log_mel` to 1.2e-4.
"""


@pytest.mark.parametrize("sample_rate", LIBROSA)
def test_the_values_are_those_of_librosa(sample_rate):
    found = log_mel(sound(sample_rate), sample_rate)
    assert found.shape == (111, 80)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[5::25, ::16], LIBROSA[sample_rate], atol=5e-4)


def test_a_tone_is_in_its_bin():
    """Of 1,000 Hz: the 80 bins are as far apart in mel, of which it has 1,000 and 8,000 Hz has 2,840."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    below = int(999.99 / (2840.02 / 81)) - 1  # bin n has its peak at n + 1 times that distance
    assert set(log_mel(tone, 16000).argmax(axis=1)) <= {below, below + 1}


def test_features_of_batches(shards):
    loader = BatchLoader(
        WindowBatches(shards, batch_size=5), Windows(shards), collate=partial(collate, features=log_mel)
    )
    for batch in loader:
        assert batch.features.shape == (len(batch.windows), 1 + batch.audio.shape[1] // 160, 80)
        assert batch.feature_lengths.tolist() == [1 + length // 160 for length in batch.lengths]
        for row, frames, window in zip(batch.features, batch.feature_lengths, batch.windows):
            [alone] = [each["audio"].samples[0] for each in Windows(shards) if each["id"] == window["id"]]
            np.testing.assert_array_equal(row[:frames], log_mel(alone, 16000))
            assert not row[frames:].any()
