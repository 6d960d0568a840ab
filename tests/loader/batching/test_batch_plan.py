"""What a plan of batches has to keep, whatever the lengths, buckets and ranks."""

from itertools import pairwise

import numpy as np
import pytest

from alm_beam.loader.batching.batch_plan import Shuffle, batch_key, plan_of_batches
from alm_beam.loader.batching.bucket_edges import least_padding_edges
from alm_beam.loader.batching.buckets import Bucket


def shuffle(seed=0, span=1 << 40):
    return Shuffle(batch_key(seed, 0, ["f"]), span)


def made(seed):
    """Random lengths, a table of buckets for them, and a number of ranks."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 200, generator.integers(1, 400))
    budget = int(lengths.max() * generator.integers(1, 12))
    edges = least_padding_edges(lengths, int(generator.integers(1, 12)))
    return lengths, [Bucket(budget // edge, edge) for edge in edges], int(generator.integers(1, 7))


@pytest.mark.parametrize("seed", range(150))
@pytest.mark.parametrize("span", [1, 16, 1 << 40])
def test_ranks_are_in_step_and_every_window_comes_once(seed, span):
    lengths, buckets, ranks = made(seed)
    plan = plan_of_batches(lengths, buckets, ranks, shuffle(seed, span))
    assert sorted(plan.windows.tolist()) == list(range(len(lengths)))
    for step in range(len(plan)):
        bucket = buckets[plan.buckets[step]]
        batches = [plan.batch(step, rank) for rank in range(ranks)]
        sizes = [len(batch) for batch in batches]
        is_last = step == len(plan) - 1
        assert sizes == [bucket.size] * ranks or (is_last and bucket == buckets[-1])
        assert max(sizes) <= bucket.size
        assert max(sizes) - min(sizes) <= 1
        assert all(lengths[batch].max(initial=0) <= bucket.longest for batch in batches)


@pytest.mark.parametrize("seed", range(60))
def test_without_the_remainder_only_full_steps_are_left(seed):
    lengths, buckets, ranks = made(seed)
    whole = plan_of_batches(lengths, buckets, ranks, shuffle(seed))
    plan = plan_of_batches(lengths, buckets, ranks, shuffle(seed), drop_remainder=True)
    assert sorted([*plan.windows, *plan.dropped]) == list(range(len(lengths)))
    assert len(plan.dropped) < buckets[-1].size * ranks
    assert all(len(plan.batch(step, 0)) == buckets[plan.buckets[step]].size for step in range(len(plan)))
    assert plan.windows.tolist() == whole.windows[: len(plan.windows)].tolist()


@pytest.mark.parametrize("seed", range(60))
def test_a_bucket_hands_on_its_longest_windows(seed):
    """So what moves comes from the bucket below, but for what went through a bucket that has no step."""
    lengths, buckets, ranks = made(seed)
    plan = plan_of_batches(lengths, buckets, ranks, shuffle(seed))
    of_bucket = [[] for _ in buckets]
    for step, number in enumerate(plan.buckets.tolist()):
        of_bucket[number].extend(lengths[plan.windows[plan.begins[step] : plan.begins[step + 1]]].tolist())
    native = np.searchsorted([bucket.longest for bucket in buckets], lengths)
    moved = 0
    for number, bucket in enumerate(buckets[:-1]):
        count = moved + int(np.count_nonzero(native == number))
        moved = count % (bucket.size * ranks)
        assert len(of_bucket[number]) == count - moved
        rest = [length for later in of_bucket[number + 1 :] for length in later]
        assert max(of_bucket[number], default=0) <= min(rest, default=1 << 40)


def test_a_plan_of_some_windows_has_these_alone():
    lengths, buckets, ranks = made(3)
    some = np.flatnonzero(np.arange(len(lengths)) % 3)
    plan = plan_of_batches(lengths, buckets, ranks, shuffle(), windows=some)
    assert sorted(plan.windows.tolist()) == some.tolist()
    assert plan.left(2).tolist() == sorted(plan.windows[plan.begins[2] :].tolist())


def test_steps_and_windows_are_mixed():
    lengths = np.random.default_rng(1).integers(16_000, 640_000, 40_000)
    edges = least_padding_edges(lengths, 20)
    buckets = [Bucket(6_400_000 // edge, edge) for edge in edges]
    plan = plan_of_batches(lengths, buckets, 4, shuffle())
    means = np.array([lengths[plan.batch(step, 0)].mean() for step in range(len(plan))])
    assert abs(np.corrcoef(means[1:], means[:-1])[0, 1]) < 0.1
    moves = np.abs(plan.windows - np.arange(len(lengths))).mean() / len(lengths)
    assert 0.32 < moves < 0.345  # a third, where any place is as likely as another
    other = plan_of_batches(lengths, buckets, 4, shuffle(1))
    together = {frozenset(batch.tolist()) for batch in map(plan.batch, range(len(plan)), [0] * len(plan))}
    assert not together & {
        frozenset(other.batch(step, rank).tolist()) for step in range(len(other)) for rank in range(4)
    }


def test_ranks_have_windows_of_similar_lengths_in_a_random_order():
    lengths = np.random.default_rng(1).integers(16_000, 640_000, 4_000)
    plan = plan_of_batches(lengths, [Bucket(10, 640_000)], 4, shuffle())
    first = []
    for step in range(len(plan)):
        batches = sorted((sorted(lengths[plan.batch(step, rank)]), rank) for rank in range(4))
        for (before, _), (after, _) in pairwise(batches):
            assert before[-1] <= after[0]
        first.append(batches[0][1])
    assert set(np.bincount(first, minlength=4) // 15) == {1}  # of 100 steps, 15 to 29 each


def test_a_span_keeps_windows_near_their_places():
    lengths = np.random.default_rng(1).integers(16_000, 640_000, 40_000)
    buckets = [Bucket(6_400_000 // edge, edge) for edge in least_padding_edges(lengths, 20)]
    plan = plan_of_batches(lengths, buckets, 2, shuffle(span=1024))
    moves = np.abs(plan.windows - np.arange(len(lengths)))[: -buckets[0].size * 40]
    assert moves.max() < 1024 * 12
    assert moves.mean() < 2048


def test_without_shuffling_windows_of_a_bucket_keep_their_order():
    lengths, buckets, _ = made(5)
    plan = plan_of_batches(lengths, buckets, 1, shuffle(span=1))
    for number in range(len(buckets)):
        steps = np.flatnonzero(plan.buckets == number)
        windows = [window for step in steps.tolist() for window in plan.batch(step, 0).tolist()]
        assert windows == sorted(windows)
