"""The shuffled order: a bijection at every size, well mixed, the same for the same key only."""

from collections import Counter
from math import factorial

import numpy as np
import pytest

from alm_beam.loader.hashing import derived_key
from alm_beam.loader.permutation import Permutation

SIZES = [*range(70), 255, 256, 257, 1000, 2047, 2048, 2049, 2050, 2115, 2116, 2117, 4095, 4096, 4097, 65_537, 300_007]


def order(size: int, *parts: int) -> np.ndarray:
    return Permutation(size, derived_key("test", *parts)).at(np.arange(size))


@pytest.mark.parametrize("size", SIZES)
def test_every_number_comes_once(size):
    assert np.array_equal(np.sort(order(size, 1)), np.arange(size))


@pytest.mark.parametrize("size", [50, 5000, 300_007])
def test_any_part_is_that_of_the_whole(size):
    whole = order(size, 2)
    permutation = Permutation(size, derived_key("test", 2))
    for positions in (np.array([size - 1]), np.arange(7, size, 11), np.array([3, 3, 0]), np.array([], np.int64)):
        assert np.array_equal(permutation.at(positions), whole[positions])


def test_a_part_of_a_huge_order_costs_nothing():
    permutation = Permutation(10**15, derived_key("test", 1))
    found = permutation.at(np.arange(10**15 - 1000, 10**15))
    assert len(set(found.tolist())) == 1000
    assert found.min() >= 0
    assert found.max() < 10**15


@pytest.mark.parametrize(("size", "orders"), [(2, 200), (3, 400), (4, 1000), (5, 3000), (6, 12_000)])
def test_every_order_of_few_is_reached_and_none_is_preferred(size, orders):
    counts = Counter(tuple(order(size, seed)) for seed in range(orders))
    assert len(counts) == factorial(size)
    expected = orders / factorial(size)
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    freedom = factorial(size) - 1
    assert chi_square < freedom + 6 * (2 * freedom) ** 0.5


@pytest.mark.parametrize(
    ("size", "bins", "seeds"), [(10, 10, 4000), (100, 100, 4000), (2100, 20, 400), (5000, 25, 400)]
)
def test_each_position_gets_each_number_as_often(size, bins, seeds):
    counts = np.zeros((bins, bins))
    cells = np.arange(size) * bins // size
    for seed in range(seeds):
        np.add.at(counts, (cells, order(size, seed) * bins // size), 1)
    expected = seeds * size / bins**2
    chi_square = ((counts - expected) ** 2 / expected).sum()
    freedom = (bins - 1) ** 2
    assert abs(chi_square - freedom) < 6 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("size", [2048, 100_000, 1 << 20])
def test_neighbours_do_not_stay_neighbours(size):
    found = order(size, 5)
    steps = np.diff(found) % size
    counts = np.bincount(steps * 64 // size, minlength=64)
    expected = (size - 1) / 64
    assert ((counts - expected) ** 2 / expected).sum() < 63 + 6 * (2 * 63) ** 0.5
    assert abs(np.corrcoef(np.arange(size), found)[0, 1]) < 6 / size**0.5


@pytest.mark.parametrize("size", [2048, 100_000])
def test_two_orders_have_nothing_in_common(size):
    first = order(size, 1, 1)
    for other in (order(size, 2, 0), order(size, 1, 2), order(size, 11), order(size, 1, 1 + 2**32)):
        assert (first == other).sum() < 10
        assert abs(np.corrcoef(first, other)[0, 1]) < 6 / size**0.5


def test_outside_is_an_error():
    for position in (-1, 10):
        with pytest.raises(IndexError, match="outside 0 to 9"):
            Permutation(10, derived_key("test")).at(np.array([position]))
    with pytest.raises(ValueError, match="size is -1"):
        Permutation(-1, derived_key("test"))


def test_it_is_the_same_in_every_release_and_on_every_machine():
    """Saved states count on it."""
    assert order(5, 1).tolist() == [4, 0, 2, 3, 1]
    assert order(1_000_000, 1)[:5].tolist() == [231735, 861964, 819108, 999652, 46297]
