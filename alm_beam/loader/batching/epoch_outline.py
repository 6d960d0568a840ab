"""What an epoch of planned batches looks like, computed from the plan before anything is read."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil, log10

import numpy as np
import numpy.typing as npt

from alm_beam.core.epoch_outline import BucketOutline, BudgetOutline, EpochOutline, LastStep, LengthBin
from alm_beam.loader.batching.batch_plan import BatchPlan
from alm_beam.loader.batching.buckets import Bucket
from alm_beam.loader.batching.largest_batches import PlannedBatches
from alm_beam.loader.batching.plan_config import PlanConfig
from alm_beam.loader.batching.window_batches import WindowBatches
from alm_beam.loader.mixture import Mixture
from alm_beam.loader.mixture_weights import ExpectedEpochs
from alm_beam.loader.permutation import Positions

_MOST_BINS = 20
_MOST_BUDGETS = 12

_FEW_STEPS = 8
"""Nobody wants an epoch of fewer."""


def epoch_outline(batches: WindowBatches, epoch: int, world_size: int) -> EpochOutline:
    """What an epoch looks like, for so many ranks.

    Raises:
        ValueError: see `WindowBatches.table`.

    >>> from alm_beam.loader import WindowBatches
    >>> outline = epoch_outline(WindowBatches(windows, batch_size=3), epoch=0, world_size=2)
    >>> outline.steps, outline.windows, outline.last_step
    (2, 8, LastStep(windows=2, full=6, empty=0))
    """
    plan, table = batches.plan(epoch, (), world_size), batches.table(world_size)
    every = batches.lengths(epoch, np.arange(len(plan.windows) + len(plan.dropped)))
    planned = PlannedBatches.of(plan, every[plan.windows])
    durations = np.concatenate([each.durations() for each in batches.sources])
    out, rate = batches.left_out, batches.config.sample_rate
    samples = int(every[plan.windows].sum())
    return EpochOutline(
        sample_rate=rate,
        world_size=world_size,
        epoch=epoch,
        source_windows=len(durations),
        source_seconds=float(durations.sum()),
        shorter=out.shorter,
        longer=out.windows - out.shorter,
        left_out_seconds=out.seconds,
        steps=len(plan),
        windows=len(plan.windows),
        samples=samples,
        padded_samples=int(planned.padded_samples.sum()),
        dropped=len(plan.dropped),
        dropped_samples=int(every.sum()) - samples,
        most_samples=max(bucket.size * bucket.longest for bucket in table),
        largest=planned.largest if len(plan) else None,
        last_step=_last_step(plan, table) if len(plan) else None,
        buckets=tuple(_buckets(plan, table, planned, every[plan.windows])),
        lengths=tuple(_bins(every, rate)),
        budgets=tuple(_budgets(batches.config, _usable(durations, batches.config), every, world_size)),
    )


def expected_sources(batches: WindowBatches) -> list[ExpectedEpochs]:
    """How often the windows of each source come in an epoch by the weights, with `repeat=True`; none without weights.

    Windows that are left out do not count.
    """
    weights = [each.source.weight for each in batches.sources if each.source.weight is not None]
    if not weights:
        return []
    usable = [
        durations[batches.config.takes(durations)] for durations in (each.durations() for each in batches.sources)
    ]
    mixture = Mixture([len(each) for each in usable], weights, repeat=True)
    return [
        ExpectedEpochs(each.source, len(durations), float(durations.sum()) / 3600, steps, steps / mixture.steps)
        for each, durations, steps in zip(batches.sources, usable, mixture.counts)
    ]


def _last_step(plan: BatchPlan, table: Sequence[Bucket]) -> LastStep:
    windows = int(plan.begins[-1] - plan.begins[-2])
    full = table[int(plan.buckets[-1])].size * plan.world_size
    return LastStep(windows, full, max(0, plan.world_size - windows))


def _buckets(
    plan: BatchPlan, table: Sequence[Bucket], planned: PlannedBatches, lengths: Positions
) -> Iterator[BucketOutline]:
    """The batches of each bucket, given the lengths of the windows in the order of the plan."""
    windows = np.diff(plan.begins)
    of_window = np.repeat(plan.buckets, windows)
    of_batch = plan.buckets[planned.steps]
    steps = _sums(plan.buckets, np.ones(len(plan), np.int64), len(table))
    counts = _sums(plan.buckets, windows, len(table))
    samples = _sums(of_window, lengths, len(table))
    padded = _sums(of_batch, planned.padded_samples, len(table))
    for bucket, *figures in zip(table, steps, counts, samples, padded):
        yield BucketOutline(bucket.longest, bucket.size, *figures)


def _sums(which: Positions, values: Positions, count: int) -> list[int]:
    """The sum of values for each of so many groups; exact, as they are integers."""
    sums = np.zeros(count, np.int64)
    np.add.at(sums, which, values)
    return [int(each) for each in sums]


def _bins(lengths: Positions, sample_rate: int) -> Iterator[LengthBin]:
    """A histogram with bins of 1, 2 or 5 seconds, or of these times a power of ten."""
    width = _round_width(float(lengths.max()) / sample_rate / _MOST_BINS)
    which = np.floor(lengths / (width * sample_rate)).astype(np.int64)
    first = int(which.min())
    windows = np.bincount(which - first).tolist()
    samples = _sums(which - first, lengths, len(windows))
    for number, (count, total) in enumerate(zip(windows, samples), first):
        yield LengthBin(round(number * width, 9), round((number + 1) * width, 9), count, total / sample_rate)


def _round_width(least: float) -> float:
    """The least of 1, 2 and 5, times any power of ten, that is not below.

    >>> _round_width(0.3), _round_width(2.0), _round_width(7.1)
    (0.5, 2.0, 10.0)
    """
    power = 10.0 ** ceil(log10(least) - 1)
    return next(float(each * power) for each in (1, 2, 5, 10, 20) if each * power >= least * (1 - 1e-12))


def _usable(durations: npt.NDArray[np.float64], config: PlanConfig) -> Positions:
    return config.lengths(durations[config.takes(durations)])


def _budgets(config: PlanConfig, usable: Positions, every: Positions, world_size: int) -> Iterator[BudgetOutline]:
    """Sizes to try: from that of one longest window on, each twice the one before, until an epoch has few steps.

    Args:
        config: what makes the batches; the sizes are in its measure.
        usable: samples of each window that is not left out, from which buckets are made.
        every: samples of each window of the epoch.
        world_size: number of ranks.
    """
    if config.given_buckets:
        return
    is_counted = config.budget is None
    size = 1 if is_counted else int(usable.max())
    for _ in range(_MOST_BUDGETS):
        elements, windows = (None, size) if is_counted else (size, None)
        other = replace(config, max_num_elements=elements, max_seconds=None, batch_size=windows)
        table = other.table(usable, world_size)
        steps = _steps(table, every, world_size, drop_remainder=config.drop_remainder)
        sizes = [bucket.size for bucket, count in zip(table, steps) if count] or [table[-1].size]
        largest = max(bucket.size * bucket.longest for bucket in table)
        yield BudgetOutline(other.max_num_elements, other.batch_size, sum(steps), min(sizes), max(sizes), largest)
        if sum(steps) <= _FEW_STEPS:
            return
        size *= 2


def _steps(table: Sequence[Bucket], lengths: Positions, world_size: int, *, drop_remainder: bool) -> list[int]:
    """The steps of each bucket, without a plan: as many windows do not fit and move on, whichever they are."""
    which = np.searchsorted([bucket.longest for bucket in table], lengths)
    steps, moved = [], 0
    for bucket, windows in zip(table, np.bincount(which, minlength=len(table)).tolist()):
        full, moved = divmod(windows + moved, bucket.size * world_size)
        steps.append(full)
    if moved and not drop_remainder:
        steps[-1] += 1
    return steps
