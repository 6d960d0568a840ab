"""The batches that need most memory, which a training tries first; and the search for the budget that fits."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alm_beam.core.epoch_outline import BatchOutline, LargestBatches
from alm_beam.loader.batching.batch_plan import BatchPlan
from alm_beam.loader.batching.window_batches import WindowBatches
from alm_beam.loader.permutation import Positions
from alm_beam.loader.tokens import Token


@dataclass(frozen=True)
class PlannedBatches:
    """All batches of a plan that have a window, step by step and rank by rank. Arrays are int64, as long as they.

    Attributes:
        steps: number of the step of each.
        ranks: whose each is.
        windows: in each.
        longest: samples of the longest window of each.
    """

    steps: Positions
    ranks: Positions
    windows: Positions
    longest: Positions

    @classmethod
    def of(cls, plan: BatchPlan, lengths: Positions) -> "PlannedBatches":
        """The batches of a plan.

        Args:
            plan: of all ranks.
            lengths: samples of its windows, in its order, int64.

        >>> plan = BatchPlan(2, np.array([4, 0, 3]), np.array([0, 2, 3]), np.array([0, 0]), np.array([], int))
        >>> PlannedBatches.of(plan, np.array([70, 80, 90])).longest
        array([70, 80, 90])
        """
        sizes, larger = np.divmod(np.diff(plan.begins), plan.world_size)
        ranks = np.arange(plan.world_size)
        windows = sizes[:, None] + (ranks < larger[:, None])
        begins = plan.begins[:-1, None] + ranks * sizes[:, None] + np.minimum(ranks, larger[:, None])
        steps, ranks = np.nonzero(windows)
        longest = np.maximum.reduceat(lengths, begins[steps, ranks]) if len(steps) else steps
        return cls(steps, ranks, windows[steps, ranks], longest)

    @property
    def padded_samples(self) -> Positions:
        """Samples of each batch, padding included."""
        return self.windows * self.longest

    @property
    def largest(self) -> LargestBatches:
        """Those that need most memory; of several that are equal, the first one."""
        return LargestBatches(
            self._first(self.padded_samples, self.longest),
            self._first(self.longest, self.windows),
            self._first(self.windows, self.longest),
        )

    def _first(self, most: Positions, then: Positions) -> BatchOutline:
        """The batch that has most of one, and among these most of another."""
        among = np.flatnonzero(most == most.max())
        at = among[then[among].argmax()]
        return BatchOutline(int(self.steps[at]), int(self.ranks[at]), int(self.windows[at]), int(self.longest[at]))


def largest_batches(batches: WindowBatches, epoch: int = 0) -> list[list[Token]]:
    """The batches of all ranks that need most memory in an epoch: a training that survives these survives the epoch.

    There are up to three, as it depends on the model what needs most: the batch with most samples, padding included;
    that of the longest window; and that with most windows.

    Args:
        batches: of any rank.
        epoch: from 0.

    Returns:
        The tokens of each, as `iter(batches)` gives them; none twice.

    >>> from alm_beam.loader import WindowBatches
    >>> [len(tokens) for tokens in largest_batches(WindowBatches(windows, batch_size=3, shuffle=False))]
    [3, 2]
    """
    world_size = 1 if batches.partition is None else batches.partition.world_size
    plan = batches.plan(epoch, (), world_size)
    if not len(plan):
        return []
    largest = PlannedBatches.of(plan, batches.lengths(epoch, plan.windows)).largest
    places = dict.fromkeys((each.step, each.rank) for each in largest)
    return [batches.tokens(epoch, plan.batch(step, rank)) for step, rank in places]


def largest_budget(fits: Callable[[int], bool], least: int, most: int, precision: float = 0.05) -> int:
    """The largest budget that fits: it is doubled until it does not, and then the gap is halved until it is small.

    Args:
        fits: tries a budget: whether a model takes the largest batches that it gives.
        least: budget to begin with, at least 1: the samples of the longest window.
        most: budget that is not exceeded.
        precision: the search ends when the gap is so small a part of the budget.

    Returns:
        The largest budget for which `fits` was true.

    Raises:
        ValueError: not even the first one fits, or the bounds are no bounds.

    >>> largest_budget(lambda budget: budget <= 700, least=100, most=10_000)
    700
    """
    if not 1 <= least <= most or not precision > 0:
        raise ValueError(
            f"least={least}, most={most}, precision={precision}: must be 1 <= least <= most, precision > 0"
        )
    if not fits(least):
        raise ValueError(
            f"a budget of {least:,} does not fit, and a batch of one longest window has as much: leave long windows "
            "out by max_duration, or make the model smaller"
        )
    fitting, failing = least, None
    while fitting < most and (failing is None or failing - fitting > max(1, precision * fitting)):
        budget = min(2 * fitting, most) if failing is None else (fitting + failing) // 2
        if fits(budget):
            fitting = budget
        else:
            failing = budget
    return fitting
