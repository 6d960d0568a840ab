"""Sources are mixed by their weights, exactly and to the end, and any step can be told without those before it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.loader.mixture import Mixture, WeightError


def picks(mixture: Mixture, seed: int = 1, epoch: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return mixture.picks(np.arange(mixture.steps), seed, epoch)


def counts_so_far(sources: np.ndarray, count: int) -> np.ndarray:
    return np.cumsum(sources[:, None] == np.arange(count), axis=0)


SIZES = st.lists(st.integers(0, 4000), min_size=1, max_size=5)


@settings(deadline=None)
@given(SIZES, st.data(), st.integers(0, 3))
def test_once_reads_every_row_of_every_source_once(sizes, data, epoch):
    weights = [data.draw(st.floats(0.01, 10)) for _ in sizes]
    mixture = Mixture(sizes, weights, repeat=False)
    assert mixture.steps == sum(sizes)
    sources, before = picks(mixture, epoch=epoch)
    for number, size in enumerate(sizes):
        assert before[sources == number].tolist() == list(range(size))


@settings(deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=5), st.data())
def test_repeated_sources_hold_their_weights_to_the_end(sizes, data):
    weights = [data.draw(st.floats(0.05, 1)) for _ in sizes]
    mixture = Mixture(sizes, weights, repeat=True)
    sources, before = picks(mixture)
    for number, size in enumerate(sizes):
        count = (sources == number).sum()
        assert before[sources == number].tolist() == list(range(count))
        assert count >= size
        assert abs(count - mixture.steps * weights[number] / sum(weights)) <= 1.01
    so_far = counts_so_far(sources, len(sizes))[1023::1024]
    due = np.arange(1024, mixture.steps + 1, 1024)[:, None] * np.array(weights) / sum(weights)
    blocks = max(mixture.steps // 1024, 1)  # the last block is a longer one
    assert (np.abs(so_far - due)[: blocks - 1] <= 1.01).all()


def test_every_source_is_read_once_at_least_when_repeated():
    mixture = Mixture([200, 2000], [1, 1], repeat=True)
    assert mixture.steps in (3999, 4000)
    sources, _ = picks(mixture)
    assert (sources == 1).sum() == 2000


def test_the_small_source_lasts_as_long_as_its_weight_says():
    sources, _ = picks(Mixture([200, 2000], [1, 1], repeat=False))
    last = np.flatnonzero(sources == 0)[-1]
    assert 380 < last < 402
    assert (sources[last + 1 :] == 1).all()


@pytest.mark.parametrize("repeat", [True, False])
def test_any_part_is_that_of_the_whole(repeat):
    mixture = Mixture([300, 5000, 1200], [0.5, 0.3, 0.2], repeat=repeat)
    sources, before = picks(mixture)
    rng = np.random.default_rng(0)
    for steps in (np.arange(5, mixture.steps, 7), rng.integers(0, mixture.steps, 50), np.array([mixture.steps - 1])):
        some, read = mixture.picks(steps, 1, 0)
        assert (some == sources[steps]).all()
        assert (read == before[steps]).all()


def test_picks_are_mixed_within_a_block_and_other_in_every_epoch():
    mixture = Mixture([5000, 5000], [1, 1], repeat=False)
    sources, _ = picks(mixture)
    changes = (np.diff(sources) != 0).mean()
    assert 0.45 < changes < 0.55
    for other in (picks(mixture, epoch=1)[0], picks(mixture, seed=2)[0]):
        assert 0.45 < (other == sources).mean() < 0.55
    assert (picks(mixture, 1, 1)[0] != picks(mixture, 2, 0)[0]).any()


def test_tiny_weights_are_held():
    mixture = Mixture([10, 1_000_000], [1, 20_000], repeat=True)
    sources, _ = mixture.picks(np.arange(200_000), 1, 0)
    assert 3 <= (sources == 0).sum() <= 10


def test_a_step_far_out_costs_nothing():
    mixture = Mixture([10**10, 3], [1, 1], repeat=True)
    sources, before = mixture.picks(np.array([2 * 10**10 - 100]), 1, 0)
    assert sources[0] in (0, 1)
    assert abs(before[0] - 10**10) < 5000


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), 1e308, 10**400, True, "2", None])
def test_bad_weights(weight):
    with pytest.raises(
        WeightError, match=r"the weight of source 1 is .*; it must be a number above 0, at most 1e\+100"
    ):
        Mixture([1, 1], [1, weight], repeat=True)


def test_weights_too_small():
    with pytest.raises(WeightError, match="source 0 is 1e-06, less than 1/65536 of all; leave it out"):
        Mixture([1, 1], [1e-6, 1], repeat=False)


def test_nothing_is_not_repeated():
    with pytest.raises(WeightError, match="source 1 is empty"):
        Mixture([1, 0], [1, 1], repeat=True)
    assert Mixture([0, 0], [1, 1], repeat=False).steps == 0
