"""Slices of files that tests write, and what they should be."""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np

from alm_beam.audio.open import opened_audio
from alm_beam.audio.slices import Slice, Span, slices
from tests.audio.sounds import Format

WAV = Format("wav", "WAV", "PCM_16")
FLAC = Format("flac", "FLAC", "PCM_16")
OPUS = Format("opus", "OGG", "OPUS")
VORBIS = Format("ogg", "OGG", "VORBIS")
MP3 = Format("mp3", "MP3", "MPEG_LAYER_III")
M4A = Format("m4a", "aac", slack=2048, container="ipod")


def ending(form):
    return form.ending


def whole_of(path):
    """All samples, [samples, channels]."""
    with opened_audio(str(path)) as audio:
        return np.concatenate([block.copy() for block in audio.blocks(5000)])


def sliced(path, spans, **more):
    """What comes of the spans: samples, which outlive the next slice, or faults."""
    found = slices(str(path), [Span(*each) for each in spans], **more)
    return [each.samples.copy() if isinstance(each, Slice) else each for each in found]


def by_lhotse(seconds, rate):
    """Its compute_num_samples, of 1.33.0."""
    return int(Decimal(round(seconds * rate, ndigits=8)).quantize(0, rounding=ROUND_HALF_UP))


def expected_of(whole, span, rate, mono=True):
    start, duration, channels = span
    first = by_lhotse(start, rate)
    picked = whole[first : first + by_lhotse(duration, rate), [each for each in channels if each < whole.shape[1]]]
    return picked.mean(axis=1, keepdims=True).T if mono else picked.T


def random_spans(seconds, count, channels, seed=0, longest=7.0):
    generator = np.random.default_rng(seed)
    spans = []
    for start in generator.uniform(0, seconds - longest, count):
        picked = generator.choice(channels, generator.integers(1, channels + 1), replace=False)
        spans.append((float(start), float(generator.uniform(0.001, longest)), tuple(sorted(map(int, picked)))))
    return spans


def check(path, spans, whole, *, rate, tolerance=0.0, **more):
    found = sliced(path, spans, **more)
    assert len(found) == len(spans)
    for samples, span in zip(found, spans):
        expected = expected_of(whole, span, rate, more.get("mono", True))
        assert samples.shape == expected.shape
        assert np.abs(samples - expected).max() <= tolerance
