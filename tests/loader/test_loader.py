"""A pass over the windows: each once, in an order of its own; it can be continued from any window."""

import copy
import json
import pickle
from pathlib import Path

import pytest

from alm_beam.loader import Partition, PartitionError, Source, SourceError, WindowLoader
from alm_beam.storage.index.open import IndexFault
from tests.loader.cuts import cut, write_cuts


def ids(windows) -> list[str]:
    return [window["id"] for window in windows]


def part(cuts, rank=0, world_size=1, worker=0, num_workers=0, **options) -> WindowLoader:
    return WindowLoader(cuts, partition=Partition(rank, world_size, worker, num_workers), **options)


def test_an_epoch_has_every_window_once_and_unchanged(cuts):
    windows = list(WindowLoader(cuts))
    assert sorted(windows, key=lambda each: each["start"]) == [
        cut(number, "ami" if number < 60 else "call") for number in range(100)
    ]
    assert len(WindowLoader(cuts)) == 100


def test_folders_may_be_named_by_paths(cuts, more_cuts):
    named = [WindowLoader(Path(cuts)), WindowLoader([Path(cuts), Path(more_cuts)])]
    assert [ids(loader) for loader in named] == [ids(WindowLoader(cuts)), ids(WindowLoader([cuts, more_cuts]))]


def test_every_epoch_has_an_order_of_its_own(cuts):
    loader = WindowLoader(cuts, seed=1)
    passes = [ids(loader) for _ in range(4)]
    assert len(set(map(tuple, passes))) == 4
    for epoch in (2, 0):
        loader.set_epoch(epoch)
        assert loader.epoch == epoch
        assert ids(loader) == passes[epoch]
    assert loader.epoch == 1


def test_seed_and_epoch_do_not_add_up(cuts):
    assert ids(part(cuts, seed=2)) != ids(part(cuts, seed=1))
    loader = WindowLoader(cuts, seed=1)
    loader.set_epoch(1)
    assert ids(loader) != ids(part(cuts, seed=2))


def test_the_order_does_not_depend_on_the_shards(cuts, tmp_path):
    windows = [cut(number, "ami" if number < 60 else "call") for number in reversed(range(100))]
    other = write_cuts(tmp_path / "other", windows, shards=7)
    assert ids(WindowLoader(other, seed=1)) == ids(WindowLoader(cuts, seed=1))


def test_without_shuffling_it_is_that_of_the_index(cuts):
    loader = WindowLoader(cuts, shuffle=False)
    assert [window["custom"]["source"] for window in loader] == ["ami"] * 60 + ["call"] * 40
    assert ids(WindowLoader(cuts, shuffle=False)) == ids(WindowLoader(cuts, shuffle=False, seed=5))


@pytest.mark.parametrize(("world_size", "num_workers"), [(1, 0), (1, 1), (2, 0), (3, 2), (2, 3), (8, 3), (150, 0)])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 100])
def test_parts_are_disjoint_complete_and_of_one_size(cuts, tmp_path, world_size, num_workers, count):
    folder = cuts if count == 100 else write_cuts(tmp_path / "few", [cut(number) for number in range(count)])
    loader = WindowLoader(folder, seed=4)
    whole, parts, of_ranks = ids(loader), [], []
    for rank in range(world_size):
        loaders = [part(folder, rank, world_size, worker, num_workers, seed=4) for worker in range(num_workers or 1)]
        mine = [ids(each) for each in loaders]
        assert [len(each) for each in loaders] == list(map(len, mine))
        assert len(WindowLoader(folder, partition=Partition(rank, world_size))) == sum(map(len, mine))
        parts += mine
        of_ranks.append(sum(map(len, mine)))
    assert sorted(each for mine in parts for each in mine) == sorted(whole)
    sizes = list(map(len, parts))
    assert max(sizes) - min(sizes) <= 1
    assert max(of_ranks) - min(of_ranks) <= 1


def test_ranks_take_turns_in_one_order(cuts):
    whole = ids(WindowLoader(cuts))
    assert [ids(part(cuts, rank, 3)) for rank in range(3)] == [whole[rank::3] for rank in range(3)]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((2, 2), "rank=2: must be at least 0 and below world_size=2"),
        ((-1, 2), "rank=-1: must be at least 0"),
        ((0, 1, 2, 2), "worker=2: must be at least 0 and below num_workers=2"),
        ((0, 1, 1), "worker=1, num_workers=None: give both or neither"),
        ((0, 10**8), "world_size=100000000: must be at most 1,048,576"),
        ((0, 1, 0, 129), "num_workers=129: must be at most 128"),
        (("0", 1), "rank='0', world_size=1: must be integers"),
    ],
)
def test_partitions_that_are_none(arguments, why):
    with pytest.raises(PartitionError, match=why):
        Partition(*arguments)


@pytest.mark.parametrize("options", [{}, {"shuffle": False}], ids=["shuffled", "in order"])
def test_resuming_gives_what_was_left_at_every_position(cuts, options):
    for rank, world_size in ((0, 1), (2, 3)):
        whole = ids(part(cuts, rank, world_size, **options))
        running = part(cuts, rank, world_size, **options)
        windows = iter(running)
        for position in range(len(whole) + 1):
            state = json.loads(json.dumps(running.state_dict()))
            assert state == windows.state_dict()
            resumed = part(cuts, rank, world_size, **options)
            resumed.load_state_dict(state)
            assert resumed.state_dict() == state
            assert ids(resumed) == whole[position:]
            next(windows, None)
        assert next(windows, None) is None


def test_a_state_before_the_first_window(cuts):
    state = WindowLoader(cuts).state_dict()
    resumed = WindowLoader(cuts)
    resumed.load_state_dict(state)
    assert ids(resumed) == ids(WindowLoader(cuts))


def test_after_a_resumed_pass_comes_the_next_epoch(cuts):
    loader = WindowLoader(cuts)
    passes = [ids(loader) for _ in range(3)]
    loader.set_epoch(1)
    windows = iter(loader)
    for position in (0, 1, 57, 100):
        while len(windows) > 100 - position:
            next(windows)
        resumed = WindowLoader(cuts)
        resumed.load_state_dict(windows.state_dict())
        assert resumed.epoch == 1
        resumed.set_epoch(1)  # as a loop over epochs does
        assert ids(resumed) == passes[1][position:]
        assert ids(resumed) == passes[2]
        resumed.set_epoch(1)
        assert ids(resumed) == passes[1], "a pass continues from a state only once"


def test_setting_another_epoch_forgets_the_state(cuts):
    loader = WindowLoader(cuts)
    passes = [ids(loader) for _ in range(2)]
    loader.set_epoch(0)
    next(iter(loader))
    state = loader.state_dict()
    loader.load_state_dict(state)
    loader.set_epoch(1)
    assert loader.state_dict()["positions"] == {"0": 0}
    loader.set_epoch(0)
    assert ids(loader) == passes[0]


def test_two_passes_at_a_time_do_not_disturb_each_other(cuts):
    loader = WindowLoader(cuts)
    first, second = iter(loader), iter(loader)
    for _ in range(10):
        next(first)
    next(second)
    assert (first.state_dict()["epoch"], first.state_dict()["positions"]) == (0, {"0": 10})
    assert (second.state_dict()["epoch"], second.state_dict()["positions"]) == (1, {"0": 1})


def test_loading_does_not_change_the_state(cuts):
    state = WindowLoader(cuts).state_dict()
    before = copy.deepcopy(state)
    loader = WindowLoader(cuts)
    loader.load_state_dict(state)
    list(loader)
    assert state == before


def test_a_state_is_small(cuts):
    loader = WindowLoader(cuts)
    windows = iter(loader)
    for _ in range(50):
        next(windows)
    assert len(json.dumps(loader.state_dict())) < 400


def test_a_pickled_loader_reads_the_same(cuts):
    loader = WindowLoader(cuts, partition=Partition(1, 2))
    next(iter(loader))
    copied = pickle.loads(pickle.dumps(loader))
    assert ids(copied) == ids(loader)


def test_several_sources_without_weights_are_one(cuts, more_cuts, no_cuts):
    loader = WindowLoader([cuts, no_cuts, more_cuts])
    found = ids(loader)
    assert len(set(found)) == len(found) == 137
    assert len([each for each in found[:70] if len(each) > len("window-99")]) > 5, "they are mixed"


def test_one_label(cuts):
    loader = WindowLoader(Source(cuts, "call"))
    assert {window["custom"]["source"] for window in loader} == {"call"}
    assert len(loader) == 40


def test_tokens_name_the_windows(cuts, more_cuts):
    loader = WindowLoader([Source(cuts, "call"), Source(more_cuts), Source(cuts, "ami")])
    windows, tokens = iter(loader), set()
    with pytest.raises(ValueError, match="no window was returned yet"):
        _ = windows.token
    for window in windows:
        assert loader.window(windows.token) == window
        tokens.add(windows.token)
    assert len(tokens) == 137
    assert {token.source for token in tokens} == {0, 1, 2}


def test_weights_hold_to_the_end(cuts):
    loader = WindowLoader([Source(cuts, "ami", 1), Source(cuts, "call", 3)], repeat=True)
    labels = [window["custom"]["source"] for window in loader]
    assert len(loader) == len(labels)
    assert abs(labels.count("call") / len(labels) - 0.75) < 0.01
    assert labels.count("ami") >= 60


def test_each_pass_of_a_source_has_an_order_of_its_own(cuts):
    loader = WindowLoader([Source(cuts, "ami", 1), Source(cuts, "call", 3)], repeat=True)
    call = [window["id"] for window in loader if window["custom"]["source"] == "call"]
    passes = [tuple(call[at : at + 40]) for at in range(0, 160, 40)]
    assert all(len(set(each)) == 40 for each in passes)
    assert len(set(passes)) == 4


def test_weighted_sources_are_read_once_unless_repeated(cuts, more_cuts):
    loader = WindowLoader([Source(cuts, weight=0.2), Source(more_cuts, weight=0.8)])
    found = ids(loader)
    assert len(set(found)) == len(found) == 137
    assert len([each for each in found[:40] if len(each) > len("window-99")]) > 25


def test_resuming_a_mixture(cuts):
    def loader():
        return WindowLoader([Source(cuts, "ami", 1), Source(cuts, "call", 3)], repeat=True)

    whole = ids(loader())
    running = loader()
    windows = iter(running)
    for position in range(len(whole) + 1):
        if position % 17 == 0 or position > len(whole) - 3:
            resumed = loader()
            resumed.load_state_dict(json.loads(json.dumps(running.state_dict())))
            assert ids(resumed) == whole[position:]
        next(windows, None)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda cuts: WindowLoader([]), "there is no source"),
        (lambda cuts: WindowLoader(Source(cuts, "tv")), "no windows of label 'tv'; its labels: 'ami', 'call'"),
        (lambda cuts: WindowLoader([Source(cuts, weight=1), Source(cuts)]), "source 1 has no weight, others have one"),
        (lambda cuts: WindowLoader([Source(cuts, weight=-1.0)]), "the weight of source 0 is -1.0"),
        (lambda cuts: WindowLoader(cuts, repeat=True), "repeat=True: sources are repeated so that their weights hold"),
        (lambda cuts: WindowLoader(cuts, seed="1"), "seed='1': must be an integer"),
        (lambda cuts: WindowLoader(cuts, seed=True), "seed=True: must be an integer"),
        (lambda cuts: WindowLoader(cuts).set_epoch(-1), "epoch=-1: must be an integer, at least 0"),
        (lambda cuts: WindowLoader(f"{cuts}/none"), "there is no index"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(cuts, make, why):
    with pytest.raises((SourceError, ValueError, IndexFault), match=why):
        make(cuts)


def test_a_worker_that_has_read_goes_back_to_a_state(cuts):
    loader = part(cuts, 0, 1, 1, 2)
    state, whole = loader.state_dict(), ids(loader)
    loader.load_state_dict(state)
    assert loader.state_dict() == state
    assert ids(loader) == whole
