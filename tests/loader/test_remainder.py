"""What is left to be read is what was not read, after any chain of runs, and is told in little."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.loader.remainder import Remainder, RunProgress, part_size


def left(remainder: Remainder, size: int) -> list[int]:
    return remainder.at(np.arange(remainder.count(size))).tolist()


@given(st.data(), st.integers(0, 120))
def test_a_chain_of_runs_leaves_what_none_of_them_read(data, size):
    """Against lists: each run deals what is left, and each of its readers reads some of its part."""
    expected, remainder = list(range(size)), Remainder()
    for _ in range(data.draw(st.integers(0, 5))):
        parts = data.draw(st.integers(1, 7))
        dealt = [expected[part::parts] for part in range(parts)]
        read = [data.draw(st.integers(0, len(mine))) for mine in dealt]
        assert [part_size(len(expected), part, parts) for part in range(parts)] == [len(mine) for mine in dealt]
        gone = {position for mine, count in zip(dealt, read) for position in mine[:count]}
        expected = [position for position in expected if position not in gone]
        remainder = remainder.after(read)
        assert left(remainder, size) == expected


def test_equal_progress_is_a_number():
    assert Remainder().after([5, 5, 5]) == Remainder((RunProgress(15),))
    assert Remainder().after([5, 5, 5]).after([0, 0]).after([1, 1]) == Remainder((RunProgress(17),))


def test_what_all_readers_have_passed_is_forgotten():
    uneven = Remainder().after([7, 5, 6, 5])
    assert uneven == Remainder((RunProgress(20, (2, 0, 1, 0)),))
    assert uneven.after([1, 1]) == Remainder((RunProgress(20, (2, 0, 1, 0)), RunProgress(2))), (
        "two of the five that were left"
    )
    assert uneven.after([1, 1]).after([1, 1, 1]) == Remainder((RunProgress(28),))
    assert uneven.after([3, 3]) == Remainder((RunProgress(29),))
    assert uneven.after([3, 4]) == Remainder((RunProgress(29, (0, 1)),))


def test_a_long_chain_stays_short():
    random.seed(1)
    remainder = Remainder()
    for _ in range(200):
        parts = random.choice([1, 2, 3, 5, 8, 24])
        remainder = remainder.after([20 + random.randrange(3) for _ in range(parts)])
        assert len(remainder.runs) <= 2


def test_one_reader_far_ahead_costs_nothing():
    remainder = Remainder().after([10**9, 0, 3])
    assert remainder.at(np.array([0, 1, 5, 6, 7, 2 * 10**9 - 3])).tolist() == [1, 4, 13, 14, 16, 3 * 10**9]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 6, 7, 100])
@pytest.mark.parametrize("parts", [1, 2, 3, 7, 40])
def test_part_sizes(count, parts):
    sizes = [part_size(count, part, parts) for part in range(parts)]
    assert sizes == [len(range(part, count, parts)) for part in range(parts)]
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1
