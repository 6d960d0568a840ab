"""Which windows are in batches: those that are neither too short nor too long."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alm_beam.loader.batching.plan_config import PlanConfig
from alm_beam.loader.permutation import Positions
from alm_beam.loader.sources import OpenSource


class LeftOut(NamedTuple):
    """Windows that are in no batch of any epoch, as they are too short or too long.

    Attributes:
        windows: how many.
        seconds: of all of them.
        shorter: how many of them are shorter than `min_duration`, or have no sample.
    """

    windows: int
    seconds: float
    shorter: int


def usable_windows(
    sources: Sequence[OpenSource], config: PlanConfig
) -> tuple[list[Positions], list[Positions], LeftOut]:
    """For each source the samples of its windows that are not left out, and their numbers; and what is left out.

    Raises:
        ValueError: none is left.
    """
    lengths, numbers, count, seconds, shorter = [], [], 0, 0.0, 0
    for each in sources:
        durations: npt.NDArray[np.float64] = each.durations()
        takes = config.takes(durations)
        lengths.append(config.lengths(durations[takes]))
        numbers.append(np.flatnonzero(takes))
        out = durations[~takes]
        count, seconds = count + len(out), seconds + float(out.sum())
        shorter += int(np.count_nonzero((out < config.min_duration) | (config.lengths(out) == 0)))
    if not any(map(len, numbers)):
        if not count:
            raise ValueError("the sources have no windows")
        limits = f"min_duration={config.min_duration}, max_duration={config.max_duration}"
        raise ValueError(f"{limits}: none of {count:,} windows is within these limits")
    return lengths, numbers, LeftOut(count, seconds, shorter)
