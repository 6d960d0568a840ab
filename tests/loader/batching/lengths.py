"""Folders of windows of given durations."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.loader.cuts import cut, write_cuts


def durations_like_speech(count: int, seed: int = 0) -> list[float]:
    """Seconds, most of them short and some long, to the millisecond."""
    return np.random.default_rng(seed).gamma(2.0, 6.0, count).clip(1, 60).round(3).tolist()


def write_windows(folder: Path, durations: Sequence[float], first: int = 0, source: str | None = None) -> str:
    """A folder of windows with an index; window i has the id `window-<first + i>`."""
    cuts = [{**cut(first + at, source), "duration": seconds} for at, seconds in enumerate(durations)]
    return write_cuts(folder, cuts, shards=2)
