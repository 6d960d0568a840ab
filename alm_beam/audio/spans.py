"""Parts of a recording, in seconds and in samples."""

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

_MOST_SAMPLES = 1 << 62
DIGITS = 8
"""Decimals that are kept of a number of samples before it is rounded: 0.5 may come as 0.49999999999."""


class SampleSpan(NamedTuple):
    """Samples of a recording: from `start` on, before `stop`."""

    start: int
    stop: int


def sample_spans(spans: Sequence[tuple[float, float]], rate: int) -> list[SampleSpan]:
    """The samples of spans in seconds, from int(start * rate) to before int(end * rate), as NeMo Curator counts.

    What is before the recording is left out.

    Raises:
        ValueError: a time is not a number.

    >>> sample_spans([(0.5, 2.0), (-1.0, 1e300)], 8000)
    [SampleSpan(start=4000, stop=16000), SampleSpan(start=0, stop=4611686018427387904)]
    """
    return [SampleSpan(_sample(start, rate), _sample(end, rate)) for start, end in spans]


def _sample(seconds: float, rate: int) -> int:
    if math.isnan(seconds):
        raise ValueError("a span has a time that is not a number (nan); give seconds")
    return int(max(0.0, min(seconds * rate, _MOST_SAMPLES)))


def counted_samples(seconds: float, rate: int) -> int:
    """The samples that so many seconds have, rounded half up, as Lhotse counts those of cuts and of their starts.

    >>> counted_samples(0.5, 8001), counted_samples(4.35, 16000)
    (4001, 69600)
    """
    return int(Decimal(round(seconds * rate, DIGITS)).quantize(Decimal(0), ROUND_HALF_UP))
