"""A run continues with other numbers of ranks and workers: the same order, nothing twice, nothing lost."""

import json
import random
from itertools import islice, product

import pytest

from alm_beam.loader import Partition, Source, StateError, WindowLoader, merge_states
from alm_beam.loader.state import State
from alm_beam.loader.state_format import with_checksum

TOPOLOGIES = list(product([1, 2, 3, 4, 5, 8], [0, 1, 2, 3]))


class Run:
    """All ranks and workers of a run, one after the other in this process."""

    def __init__(self, loader: WindowLoader, topology: tuple[int, int], state: State | None = None):
        self.passes = []
        for rank, worker in product(range(topology[0]), range(topology[1] or 1)):
            loader.partition = Partition(rank, topology[0], worker, topology[1])
            if state:
                loader.load_state_dict(state)
            else:
                loader.set_epoch(1)  # forgets the state that another run loaded
                loader.set_epoch(0)
            self.passes.append(iter(loader))

    def read(self, counts) -> list[str]:
        """Lets each part read so many windows, or what it has; gives them in the order of the positions."""
        return [window["id"] for mine, count in zip(self.passes, counts) for window in islice(mine, count)]

    def rest(self) -> list[str]:
        return self.read([1000] * len(self.passes))

    def state(self) -> State:
        return merge_states(json.loads(json.dumps([each.state_dict() for each in self.passes])))


def parts(topology: tuple[int, int]) -> int:
    return topology[0] * (topology[1] or 1)


@pytest.fixture(scope="module")
def loader(cuts) -> WindowLoader:
    return WindowLoader(cuts, seed=9)


@pytest.fixture(scope="module")
def whole(loader) -> list[str]:
    return Run(loader, (1, 0)).rest()


@pytest.mark.parametrize("before", TOPOLOGIES, ids=str)
def test_from_any_topology_to_any(loader, whole, before):
    """Equal progress: what was read is the beginning of the order, what is read then is its end, dealt in turns."""
    for after, share in product(TOPOLOGIES, (0, 0.3, 1)):
        each = int(share * len(whole)) // parts(before) + (share == 1)
        running = Run(loader, before)
        read = running.read([each] * parts(before))
        resumed = Run(loader, after, running.state())
        start = min(each * parts(before), len(whole))
        assert sorted(read) == sorted(whole[:start])
        world_size, rest = after[0], whole[start:]
        for number, (rank, worker) in enumerate(product(range(world_size), range(after[1] or 1))):
            mine = [window["id"] for window in resumed.passes[number]]
            assert mine == rest[worker * world_size + rank :: parts(after)]
            read += mine
        assert sorted(read) == sorted(whole)


@pytest.mark.parametrize("before", TOPOLOGIES, ids=str)
def test_from_unequal_progress(loader, whole, before):
    order = random.Random(str(before))
    for after in TOPOLOGIES:
        running = Run(loader, before)
        read = running.read([order.randrange(2 + 60 // parts(before)) for _ in range(parts(before))])
        state = running.state()
        assert len(json.dumps(state)) < 1000
        resumed = Run(loader, after, state)
        read += resumed.read([order.randrange(4) for _ in range(parts(after))])
        again = Run(loader, before, resumed.state())
        assert sorted([*read, *again.rest()]) == sorted(whole)


def test_what_is_left_comes_in_the_order_that_it_had(loader, whole):
    running = Run(loader, (3, 0))
    read = running.read([20, 3, 7])
    rest = [each for each in whole if each not in read]
    assert Run(loader, (1, 0), running.state()).rest() == rest
    resumed = Run(loader, (2, 0), running.state())
    assert [[window["id"] for window in mine] for mine in resumed.passes] == [rest[0::2], rest[1::2]]


def test_a_long_chain_of_runs(loader, whole):
    order = random.Random(5)
    state, read = None, []
    for _ in range(30):
        topology = order.choice(TOPOLOGIES)
        running = Run(loader, topology, state)
        read += running.read([order.randrange(3) for _ in range(parts(topology))])
        state = running.state()
    read += Run(loader, (2, 3), state).rest()
    assert sorted(read) == sorted(whole)


def test_with_the_same_topology_each_part_goes_on_by_itself(loader):
    complete = [[window["id"] for window in mine] for mine in Run(loader, (2, 2)).passes]
    running = Run(loader, (2, 2))
    running.read([1, 9, 0, 25])
    resumed = [[window["id"] for window in mine] for mine in Run(loader, (2, 2), running.state()).passes]
    assert resumed == [mine[count:] for mine, count in zip(complete, [1, 9, 0, 25])]


@pytest.mark.parametrize("repeat", [True, False])
def test_of_a_mixture(cuts, more_cuts, repeat):
    sources = [Source(cuts, "ami", 2), Source(more_cuts, None, 1), Source(cuts, "call", 1)]
    loader = WindowLoader(sources, repeat=repeat)
    whole = Run(loader, (1, 0)).rest()
    running = Run(loader, (2, 2))
    read = running.read([10, 12, 9, 10])
    resumed = Run(loader, (3, 0), running.state())
    assert sorted([*read, *resumed.rest()]) == sorted(whole)


def test_a_state_after_the_end_leaves_nothing(loader, whole):
    running = Run(loader, (3, 2))
    assert sorted(running.rest()) == sorted(whole)
    resumed = Run(loader, (2, 0), running.state())
    assert resumed.rest() == []


def test_the_next_epoch_is_complete_and_as_if_nothing_had_happened(loader):
    running = Run(loader, (3, 0))
    running.read([5, 6, 7])
    loader.partition = Partition(1, 2)
    loader.load_state_dict(running.state())
    list(loader)
    following = [window["id"] for window in loader]
    loader.set_epoch(1)
    assert [window["id"] for window in loader] == following
    assert len(following) == 50


def test_the_state_of_one_part_is_not_enough_for_others(loader):
    running = Run(loader, (2, 2))
    alone = running.passes[1].state_dict()
    with pytest.raises(StateError) as refused:
        Run(loader, (3, 0), alone)
    assert str(refused.value).splitlines()[1:] == [
        "world_size, num_workers: 2, 2 in the state, 3, 1 here (part 0)",
        "positions: only part 2 is in the state, part 0, 1, 3 is missing; to continue with another number of ranks or "
        "workers, load merge_states(...) of the states of all",
    ]
    with pytest.raises(StateError, match="only part 2 is in the state"):
        Run(loader, (2, 2), alone)


def test_states_that_cannot_be_merged(loader):
    states = [each.state_dict() for each in Run(loader, (2, 2)).passes]
    for given, why in (
        ([], "no state of a loader"),
        ({"epoch": 1}, "no state of a loader"),
        (states[:3], r"of 4 parts \(world_size 2, num_workers 2\), the state of part 3 is missing"),
        ([*states[:3], with_checksum({**states[3], "seed": 1})], "not of one run:\nseed: 1 in the state, 9 here"),
        ([*states[:3], with_checksum({**states[3], "epoch": 1})], "not of one run:\nepoch: 1 in the state, 0 here"),
        ([*states, with_checksum({**states[3], "positions": {"3": 1}})], "part 3 is there twice, with 0 and 1 read"),
        ([*states[:3], {**states[3], "epoch": 1}], "not of one run:\nchecksum: is that of other fields"),
        ([*states[:3], {**states[3], "left": 4}], "left: Expected `array`, got `int`"),
        ([{"_steps_since_snapshot": 3, "_snapshot": states}], "snapshot_every_n_steps=1"),
    ):
        with pytest.raises(StateError, match=why):
            merge_states(given)
    assert merge_states({"rank 0": [states[:2], {"x": states[2]}], "rank 1": (states[3], "y")})[
        "positions"
    ] == dict.fromkeys("0123", 0)
