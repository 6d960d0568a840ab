"""The batches of a plan, all at once, are those that it gives one by one."""

import numpy as np
import pytest

from alm_beam.loader import Partition, WindowBatches
from alm_beam.loader.batching.batch_plan import BatchPlan
from alm_beam.loader.batching.epoch_outline import epoch_outline
from alm_beam.loader.batching.largest_batches import PlannedBatches
from tests.loader.batching.lengths import durations_like_speech, write_windows


@pytest.mark.parametrize("seed", range(20))
def test_all_batches_of_a_plan(seed):
    """Steps of any number of windows, so that some ranks have one more, or none."""
    generator = np.random.default_rng(seed)
    ranks, sizes = int(generator.integers(1, 6)), generator.integers(1, 12, 30)
    lengths = generator.integers(1, 5, sizes.sum())
    plan = BatchPlan(ranks, generator.permutation(len(lengths)), np.append(0, np.cumsum(sizes)), sizes * 0, sizes[:0])
    made = [
        (step, rank, len(batch), max(lengths[batch]))
        for step in range(len(plan))
        for rank in range(ranks)
        if len(batch := plan.batch(step, rank))
    ]
    planned = PlannedBatches.of(plan, lengths[plan.windows])
    assert list(zip(planned.steps, planned.ranks, planned.windows, planned.longest)) == made
    largest = planned.largest
    assert largest.samples == max(made, key=lambda each: (each[2] * each[3], each[3]))
    assert largest.longest == max(made, key=lambda each: (each[3], each[2]))
    assert largest.windows == max(made, key=lambda each: (each[2], each[3]))


def test_ranks_without_a_window_in_the_last_step_are_counted(tmp_path):
    folder = write_windows(tmp_path, durations_like_speech(21))
    outline = epoch_outline(WindowBatches(folder, batch_size=1, partition=Partition(0, 8)), 0, 8)
    assert outline.last_step == (5, 8, 3)
    assert (outline.steps, outline.batches, outline.windows) == (3, 21, 21)
