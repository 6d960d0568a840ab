"""Windows to one batch: padding, channels, features; what does not make a batch is said to be."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from alm_beam.audio.slices import Span, slices
from alm_beam.loader import Audio, Batch, Windows, collate
from tests.loader.sounding import RATE, as_read, encoded, noise, number_of, sound_of, write_shards


def window(name: str, samples, sample_rate: int = RATE, **fields):
    return {"id": name, "supervisions": [], **fields, "audio": Audio(np.asarray(samples, np.float32), sample_rate)}


def test_each_row_is_a_window_and_silence(shards):
    windows = Windows(shards).__getitems__([5, 0, 7])
    batch = collate(windows)
    sounds = [as_read(sound_of(number_of(each)))[0] for each in windows]
    assert batch.lengths.tolist() == list(map(len, sounds))
    assert batch.lengths.dtype == np.int64
    assert batch.audio.dtype == np.float32
    assert batch.audio.shape == (3, max(map(len, sounds)))
    for row, sound in zip(batch.audio, sounds):
        np.testing.assert_array_equal(row[: len(sound)], sound)
        assert not row[len(sound) :].any()
    assert batch.sample_rate == RATE
    assert batch.features is batch.feature_lengths is None


def test_cuts_and_supervisions_come_along(shards):
    windows = Windows(shards).__getitems__([1, 2])
    batch = collate(windows)
    assert batch.windows == Windows(shards, audio=False).__getitems__([1, 2])
    assert batch.supervisions == [each["supervisions"] for each in windows]
    assert batch.supervisions[0][0]["speaker"] == "anna"
    assert all(each["audio"].sample_rate == RATE for each in windows), "what was given is as it was"


def test_windows_without_supervisions():
    assert collate([{"id": "a", "audio": Audio(np.zeros((1, 3), np.float32), RATE)}]).supervisions == [[]]


def test_the_mean_of_channels_is_that_of_shards(tmp_path):
    path = tmp_path / "channels.wav"
    path.write_bytes(encoded(noise(1, RATE, 3), ending="wav"))
    [every] = slices(str(path), [Span(0.0, 1.0, (0, 1, 2))], mono=False)
    [mono] = slices(str(path), [Span(0.0, 1.0, (0, 1, 2))], mono=True)
    assert every.samples.shape == (3, RATE)
    np.testing.assert_array_equal(collate([window("a", every.samples)]).audio, mono.samples)


def test_windows_of_several_channels(tmp_path):
    windows = Windows(write_shards(tmp_path / "shards", 3, channels=2))
    batch = collate(list(windows))
    for row, length, each in zip(batch.audio, batch.lengths, windows):
        mean = as_read(sound_of(number_of(each), 2)).astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(row[:length], mean, atol=1e-7)


def test_a_batch_of_no_windows():
    batch = collate([])
    assert batch.audio.shape == (0, 0)
    assert batch.audio.dtype == np.float32
    assert batch.lengths.shape == (0,)
    assert batch.lengths.dtype == np.int64
    assert (batch.sample_rate, batch.supervisions, batch.windows, batch.features) == (0, [], [], None)
    batch = collate([], lambda samples, _: samples[:, None])
    assert batch.features.shape == (0, 0, 0)
    assert batch.feature_lengths.shape == (0,)


def test_features_are_padded():
    def frames(samples, sample_rate):
        assert samples.dtype == np.float32
        assert sample_rate == 8000
        return np.stack([samples[::2], samples[::2] * 2], axis=1)

    windows = [window("a", [[1, 2, 3, 4, 5]], 8000), window("b", [[6, 7]], 8000)]
    batch = collate(windows, frames)
    assert batch.features.dtype == np.float32
    assert batch.features.tolist() == [[[1, 2], [3, 6], [5, 10]], [[6, 12], [0, 0], [0, 0]]]
    assert batch.feature_lengths.tolist() == [3, 1]
    assert batch.feature_lengths.dtype == np.int64


def test_features_cannot_change_the_audio():
    def doubled(samples, _):
        samples *= 2
        return samples[:, None]

    batch = collate([window("a", [[1, 2]]), window("b", [[3]])], doubled)
    assert batch.audio.tolist() == [[1, 2], [3, 0]]
    assert batch.features[:, :, 0].tolist() == [[2, 4], [6, 0]]


def test_a_window_without_audio_is_an_error(shards):
    windows = [Windows(shards)[0], Windows(shards, audio=False)[1]]
    with pytest.raises(ValueError, match=rf"window '{windows[1]['id']}' has no audio: .* audio=True.*collate=list"):
        collate(windows)


def test_different_rates_are_an_error():
    sounds = [window(f"w{number}", [[0.0]], 16000) for number in range(5)]
    with pytest.raises(
        ValueError,
        match=r"different sample rates \(8000 Hz: 'low'; 16000 Hz: 'w0', 'w1', 'w2' and 2 more\); write shards of one "
        r"rate, alm-beam shards --sample_rate=8000",
    ):
        collate([*sounds, window("low", [[0.0]], 8000)])


@pytest.mark.parametrize("shape", [(3,), (0, 3), (1, 3, 1)])
def test_audio_of_another_shape_is_an_error(shape):
    expected = str(shape).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=rf"window 'a': audio has shape {expected}, expected \[channels, samples\]"):
        collate([window("a", np.zeros(shape))])


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (np.zeros(4), r"float64 of shape \(4,\)"),
        (np.zeros((1, 4, 80)), r"float64 of shape \(1, 4, 80\)"),
        (np.zeros((4, 80), np.complex64), r"complex64 of shape \(4, 80\)"),
        (None, r"object of shape \(\)"),
    ],
)
def test_features_of_another_form_are_an_error(given, found):
    with pytest.raises(
        ValueError, match=f"features gave {found} for window 'a', expected real numbers of shape .frames, dims.$"
    ):
        collate([window("a", [[1, 2]])], lambda *_: given)


def test_features_of_different_dims_are_an_error():
    """As of who gives [dims, frames]."""
    windows = [window("a", [[1, 2]]), window("b", [[1, 2, 3]])]
    with pytest.raises(
        ValueError,
        match=r"features gave 3 dims for window 'b' and 2 for window 'a' \(shapes \(80, 3\) and \(80, 2\), as \[frames",
    ):
        collate(windows, lambda samples, _: np.zeros((80, len(samples))))


def test_a_batch_may_be_pickled():
    batch = collate([window("a", [[1, 2]])])
    again = pickle.loads(pickle.dumps(batch))
    assert type(again) is Batch
    np.testing.assert_array_equal(again.audio, batch.audio)
    assert again.windows == batch.windows


def test_without_torch_there_are_no_tensors():
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from alm_beam.loader import collate, collate_tensors\n"
        "assert collate([]).lengths.size == 0\n"
        "try:\n"
        "    collate_tensors([])\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("to_torch needs PyTorch (")


def test_windows_may_come_from_a_generator(shards):
    windows = Windows(shards).__getitems__([5, 0])
    found, expected = collate(each for each in windows), collate(windows)
    assert (found.sample_rate, found.windows, found.supervisions) == (RATE, expected.windows, expected.supervisions)
