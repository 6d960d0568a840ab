"""Ranges of readers: what none of them read is left, in the order of the files, after any chain of runs."""

import random
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.loader.hashing import derived_key
from alm_beam.loader.permutation import Permutation
from alm_beam.loader.ranges import RangesLeft


def mix(run: int, first: int, length: int) -> Permutation:
    return Permutation(length, derived_key("test", run, first))


def ranges(places: list[int], parts: int) -> list[list[int]]:
    """What numpy makes of it: as many, the larger ones first."""
    return [part.tolist() for part in np.array_split(np.array(places, int), parts)]


def mixed(mine: list[int], run: int, first: int, block: int) -> list[int]:
    """A range in the order of reading, block by block."""
    found = []
    for at in range(0, len(mine), block):
        length = len(mine[at : at + block])
        found += (
            [mine[at + i] for i in mix(run, first + at, length).at(np.arange(length)).tolist()] if block > 1 else []
        )
        found += mine[at : at + 1] if block == 1 else []
    return found


def at(left: RangesLeft, size: int, part: int, parts: int, block: int, count: int) -> list[int]:
    return left.at(size, part, parts, np.arange(count), block, mix).tolist()


@given(st.data(), st.integers(0, 120), st.sampled_from([1, 2, 3, 7, 16, 1000]))
def test_a_chain_of_runs_leaves_what_none_of_them_read(data, size, block):
    """Against lists, each window of each reader in each run."""
    expected, left, runs = list(range(size)), RangesLeft(), 0
    for _ in range(data.draw(st.integers(0, 5))):
        parts = data.draw(st.integers(1, 7))
        first, read, gone = 0, [], set()
        for part, mine in enumerate(ranges(expected, parts)):
            order = mixed(mine, runs, first, block)
            assert at(left, size, part, parts, block, len(mine)) == order
            assert sorted(order) == mine
            count = data.draw(st.integers(0, len(mine)))
            read.append(count)
            gone.update(order[:count])
            first += len(mine)
        runs += any(read)
        left = left.after(read)
        assert left.fits(size)
        expected = [place for place in expected if place not in gone]
        assert left.count(size) == len(expected)
    in_order = left.at(size, 0, 1, np.arange(len(expected)), block, mix).tolist()
    assert sorted(in_order) == expected


@given(st.integers(1, 300), st.integers(1, 9), st.integers(1, 40), st.data())
def test_any_windows_of_a_part_are_those_of_the_whole(size, parts, block, data):
    read = [data.draw(st.integers(0, len(mine))) for mine in ranges(list(range(size)), parts)]
    left = RangesLeft().after(read)
    whole = np.array(at(left, size, 0, 1, block, left.count(size)), int)
    some = np.array(data.draw(st.lists(st.integers(0, max(len(whole) - 1, 0)), max_size=20 if len(whole) else 0)), int)
    assert left.at(size, 0, 1, some, block, mix).tolist() == whole[some].tolist()


def test_what_cannot_be_left_is_told():
    assert RangesLeft(((5, 5),)).fits(10)
    assert not RangesLeft(((6, 4),)).fits(10), "each has five"
    assert not RangesLeft(((5, 5), (1,))).fits(10), "nothing was left for the second run"


def test_what_is_left_is_still_read_in_ranges():
    """A million windows, three runs with other numbers of readers: a block of the last run is near together."""
    size, block, left = 1_000_000, 1024, RangesLeft()
    order = random.Random(1)
    for parts in (16, 6, 40):
        left = left.after([left.count(size) // parts // 2 + order.randrange(-900, 900) for _ in range(parts)])
    count = left.count(size) // 24
    spreads = []
    for part in range(24):
        places = left.at(size, part, 24, np.arange(count), block, mix)
        for first in range(0, count - block, block):
            places_of_block = np.sort(places[first : first + block])
            spreads.append(int((np.diff(places_of_block) > 8).sum()))
    assert np.median(spreads) == 0, "a block is one range, but where a reader before it stopped"
    assert np.mean(spreads) < 10


@pytest.mark.parametrize("parts", [1, 8192])
def test_a_block_of_a_large_epoch_costs_little(parts):
    size = 100_000_000
    left = RangesLeft().after([size // parts // 2 + number % 5 for number in range(parts)])
    begin = time.process_time()
    for at_once in range(10):
        left.at(size, 3, 7, np.arange(at_once * 1024, at_once * 1024 + 1024), 1024, mix)
    assert time.process_time() - begin < 1
