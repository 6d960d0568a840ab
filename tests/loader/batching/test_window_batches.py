"""Planned batches of folders: each window once, whatever the ranks and workers, and from any state."""

import itertools
import json
import pickle
from collections import Counter
from shutil import copytree

import numpy as np
import pytest

from alm_beam import build_index
from alm_beam.loader import Partition, PartitionError, Source, StateError, WindowBatches, WindowLoader, merge_states
from alm_beam.loader.batching.batch_state import BatchProgress, Run
from alm_beam.loader.sources import SourceError
from tests.loader.batching.lengths import durations_like_speech, write_windows

COUNT = 500
BUDGET = 200  # seconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_windows(tmp_path_factory.mktemp("windows"), durations_like_speech(COUNT))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return write_windows(tmp_path_factory.mktemp("other"), durations_like_speech(150, 7), first=10_000)


def batches_of(folder, rank=0, world_size=1, worker=None, num_workers=None, **more):
    partition = Partition(rank, world_size, worker, num_workers)
    return WindowBatches(folder, **{"max_seconds": BUDGET, **more}, partition=partition)


def steps_of(batches, ranks):
    """The batches of all ranks, step by step."""
    found = []
    for rank in range(ranks):
        batches.partition = Partition(rank, ranks)
        batches.set_epoch(0)
        found.append(list(batches))
    assert len({len(each) for each in found}) == 1
    return list(zip(*found))


class TestEpoch:
    @pytest.mark.parametrize("ranks", [1, 2, 3, 8])
    def test_every_window_comes_once_within_the_budget_and_one_bucket_a_step(self, folder, ranks):
        batches = batches_of(folder)
        [source] = batches.sources
        seconds = source.index.rows["duration"]
        steps = steps_of(batches, ranks)
        assert sorted(token.row for step in steps for batch in step for token in batch) == list(range(COUNT))
        table = batches.table(ranks)
        for step in steps:
            for batch in filter(None, step):
                assert len(batch) * max(seconds[token.row] for token in batch) <= BUDGET
        for step in steps[:-1]:
            [size] = {len(batch) for batch in step}
            longest = max(seconds[token.row] for batch in step for token in batch) * 16_000
            assert any(bucket.size == size and longest <= bucket.longest for bucket in table)

    def test_epochs_and_seeds_have_orders_of_their_own_and_runs_are_equal(self, folder):
        batches = batches_of(folder)
        first, second = list(batches), list(batches)
        assert first != second
        assert list(batches_of(folder, seed=1)) not in (first, second)
        again = batches_of(folder)
        again.set_epoch(1)
        assert list(again) == second
        assert list(pickle.loads(pickle.dumps(batches_of(folder)))) == first

    def test_the_order_does_not_depend_on_how_windows_were_sharded(self, folder, tmp_path):
        copytree(folder, tmp_path / "two")
        copytree(folder, tmp_path / "one")
        build_index(str(tmp_path / "two"), overwrite=True)
        lines = b"".join(path.read_bytes() for path in sorted((tmp_path / "one").glob("cuts-*.jsonl")))
        for path in (tmp_path / "one").glob("cuts-*"):
            path.unlink()
        (tmp_path / "one" / "cuts-00000-of-00001.jsonl").write_bytes(lines)
        build_index(str(tmp_path / "one"), overwrite=True)
        assert list(batches_of(str(tmp_path / "one"))) == list(batches_of(str(tmp_path / "two")))

    def test_budgets_are_the_same_in_samples_and_in_seconds(self, folder):
        by_samples = batches_of(folder, max_seconds=None, max_num_elements=BUDGET * 16_000)
        assert list(by_samples) == list(batches_of(folder))

    @pytest.mark.parametrize("ranks", [1, 3])
    def test_batches_of_a_fixed_size(self, folder, ranks):
        steps = steps_of(batches_of(folder, max_seconds=None, batch_size=7), ranks)
        assert {len(batch) for step in steps[:-1] for batch in step} == {7}
        assert sum(len(batch) for step in steps for batch in step) == COUNT

    def test_the_remainder_is_dropped_and_told(self, folder):
        whole, batches = batches_of(folder, buckets=3), batches_of(folder, buckets=3, drop_remainder=True)
        assert len(list(batches)) == len(list(whole)) - 1
        plan = batches.plan(0, (), 1)
        assert iter(batches).dropped == len(plan.dropped) == COUNT - len(plan.windows) > 0

    def test_windows_outside_the_limits_are_left_out_and_counted(self, folder):
        batches = batches_of(folder, min_duration=3, max_duration=30)
        seconds = batches.sources[0].index.rows["duration"]
        out = seconds[(seconds < 3) | (seconds > 30)]
        assert batches.left_out == (len(out), pytest.approx(out.sum()), np.count_nonzero(out < 3))
        rows = [token.row for batch in batches for token in batch]
        assert sorted(rows) == np.flatnonzero((seconds >= 3) & (seconds <= 30)).tolist()

    def test_sizes_are_multiples_where_they_are_above(self, folder):
        batches = batches_of(folder, max_seconds=500, num_seqs_multiple_of=8, buckets=[2.0, 5.0, 10.0, 60.0])
        sizes = {bucket.size for bucket in batches.table(1)}
        assert max(sizes) > 8
        assert all(size % 8 == 0 or size < 8 for size in sizes)

    def test_buckets_may_be_given(self, folder):
        batches = batches_of(folder, buckets=[5.0, 10.0, 61.0])
        assert [bucket.size for bucket in batches.table(1)][:2] == [40, 20]
        given = WindowBatches(folder, buckets=[(30, 160_000), (4, 960_000)])
        assert {len(batch) for batch in list(given)[:-1]} == {30, 4}

    def test_the_last_bucket_ends_at_the_longest_window(self, folder):
        batches = batches_of(folder, buckets=[5.0, 10.0, 80.0, 90.0])
        assert batches.table(1) == [(40, 80_000), (20, 160_000), (3, 816_816)]

    def test_limits_are_inclusive(self, tmp_path):
        folder = write_windows(tmp_path / "a", [2.0, 3.0, 4.0, 5.0])
        assert sum(map(len, batches_of(folder, min_duration=3, max_duration=4))) == 2

    def test_without_shuffling_windows_come_as_they_stand(self, folder):
        rows = [token.row for batch in batches_of(folder, shuffle=False, buckets=1) for token in batch]
        assert rows == list(range(COUNT))


class TestSources:
    def test_windows_of_several_sources_come_once(self, folder, other):
        batches = batches_of([folder, other])
        tokens = [token for batch in batches for token in batch]
        assert Counter(tokens) == Counter([(0, row) for row in range(COUNT)] + [(1, row) for row in range(150)])
        assert any(len({token.source for token in batch}) == 2 for batch in batches)

    def test_weights_hold_on_the_way_and_tokens_are_those_of_the_loader(self, folder, other):
        sources = [Source(folder, weight=1), Source(other, weight=3)]
        batches = batches_of(sources, max_seconds=60, repeat=True)
        tokens = [token for batch in batches for token in batch]
        loader = WindowLoader(sources, repeat=True)
        read = Counter()
        passing = iter(loader)
        for _ in passing:
            read[passing.token] += 1
        assert Counter(tokens) == read
        parts = np.array_split([token.source for token in tokens], 4)
        assert all(0.68 < part.mean() < 0.82 for part in parts)

    def test_a_source_that_is_exhausted_leaves_the_rest_to_the_others(self, folder, other):
        """As with the loader: weights hold until then, and each window comes once."""
        tokens = [
            token
            for batch in batches_of([Source(folder, weight=1), Source(other, weight=3)], max_seconds=60)
            for token in batch
        ]
        assert Counter(token.source for token in tokens) == {0: COUNT, 1: 150}
        first, *_, last = np.array_split([token.source for token in tokens], 8)
        assert first.mean() > 0.6
        assert last.mean() < 0.1  # of long windows, which wait for others of their length

    def test_a_label_is_a_source(self, tmp_path):
        folder = write_windows(tmp_path / "a", durations_like_speech(40), source="ami")
        assert sum(map(len, batches_of(Source(folder, label="ami")))) == 40
        with pytest.raises(SourceError, match="has no windows of label 'x'"):
            batches_of(Source(folder, label="x"))


RANKS, WORKERS = (1, 2, 3, 4, 5, 8), (0, 1, 2, 3)


def read_some(folder, state, ranks, workers, steps, **more):
    """What all processes read in so many steps of each rank, and their state."""
    read, states = [], []
    for rank, worker in itertools.product(range(ranks), range(max(workers, 1))):
        batches = batches_of(folder, rank, ranks, worker, workers, **more)
        if state is not None:
            batches.load_state_dict(json.loads(json.dumps(state)))
        passing = iter(batches)
        mine = -((worker - steps) // max(workers, 1)) if steps is not None else 1 << 40
        read += itertools.chain.from_iterable(itertools.islice(passing, mine))
        states.append(batches.state_dict())
    return read, merge_states(states)


class TestState:
    @pytest.mark.parametrize("share", [0, 0.02, 0.3, 0.7, 0.98, 1])
    def test_a_pass_goes_on_exactly_from_any_step(self, folder, share):
        batches = batches_of(folder)
        passing = iter(batches)
        step = round(share * len(batches))
        before = list(itertools.islice(passing, step))
        state = json.loads(json.dumps(batches.state_dict()))
        rest = list(passing)
        assert passing.state_after(step) == state
        later = batches_of(folder)
        later.load_state_dict(state)
        assert later.state_dict() == state
        assert list(later) == rest
        assert len(before) + len(rest) == len(batches)

    def test_the_state_of_one_rank_is_that_of_all(self, folder):
        states = []
        for rank in range(3):
            passing = iter(batches_of(folder, rank, 3))
            next(passing)
            states.append(passing.state_dict())
        assert states[0] == states[1] == states[2] == merge_states(states)

    @pytest.mark.parametrize("ranks", RANKS)
    @pytest.mark.parametrize("workers", WORKERS)
    def test_other_numbers_of_ranks_and_workers_read_the_rest(self, folder, ranks, workers):
        whole = len(list(batches_of(folder, 0, ranks)))
        for step in {0, 1, whole // 2, whole - 1, whole}:
            first, state = read_some(folder, None, ranks, workers, step)
            for ranks_after, workers_after in itertools.product(RANKS, WORKERS):
                rest, _ = read_some(folder, state, ranks_after, workers_after, None)
                assert sorted(token.row for token in first + rest) == list(range(COUNT))

    @pytest.mark.parametrize("seed", range(12))
    def test_chains_of_changes_lose_nothing_and_repeat_nothing(self, folder, other, seed):
        generator = np.random.default_rng(seed)
        more = {"seed": seed, "max_seconds": int(generator.integers(60, 300))}
        sources = [folder, other]
        if seed % 3 == 0:
            sources = [Source(folder, weight=2), Source(other, weight=1)]
        read, state = [], None
        for _ in range(7):
            ranks, workers = int(generator.choice(RANKS)), int(generator.choice(WORKERS))
            found, state = read_some(sources, state, ranks, workers, int(generator.integers(0, 9)), **more)
            read += found
        rest, _ = read_some(sources, state, 3, 2, None, **more)
        every = [(0, row) for row in range(COUNT)] + [(1, row) for row in range(150)]
        assert sorted(read + rest) == every

    def test_what_was_to_be_dropped_comes_with_other_ranks(self, folder):
        first, state = read_some(folder, None, 4, 0, 3, buckets=3, drop_remainder=True)
        rest, _ = read_some(folder, state, 1, 0, None, buckets=3, drop_remainder=True)
        batches = batches_of(folder, buckets=3, drop_remainder=True)
        last = batches.plan(0, (Run(4, 0, 3),), 1)
        assert len(batches.plan(0, (), 4).dropped) > len(last.dropped)
        assert len({*first, *rest}) == len(first) + len(rest) == COUNT - len(last.dropped)

    def test_ranks_that_change_before_the_first_step_change_nothing_else(self, folder):
        batches = batches_of(folder, 0, 3)
        batches.load_state_dict(batches_of(folder, 0, 2).state_dict())
        assert list(batches) == list(batches_of(folder, 0, 3))

    def test_an_epoch_may_change_its_ranks_more_often_than_python_recurses(self, folder):
        batches = batches_of(folder)
        runs = tuple(Run(1 + at % 2, 0, 1 if at % 200 == 0 else 0) for at in range(1500))
        left = batches.plan(0, runs, 1)
        assert 0 < len(left.windows) < COUNT

    def test_the_epoch_after_one_that_was_resumed_is_whole(self, folder):
        _, state = read_some(folder, None, 2, 0, 5)
        batches = batches_of(folder, 0, 3)
        batches.load_state_dict(state)
        list(batches)
        expected = batches_of(folder, 0, 3)
        expected.set_epoch(1)
        assert list(batches) == list(expected)

    def test_a_pass_begins_with_its_first_batch(self, folder):
        """DataLoader calls `iter` twice for one epoch; the second of the two is read."""
        batches = batches_of(folder, 0, 3)
        expected = batches_of(folder, 0, 3)
        for epoch in range(3):
            iter(batches)
            passing = iter(batches)
            assert batches.epoch == passing.epoch == epoch
            assert list(passing) == list(expected)
            assert batches.epoch == epoch + 1

    @pytest.mark.parametrize(
        ("more", "place"),
        [
            ({"seed": 1}, "seed: 0 in the state, 1 here"),
            ({"max_seconds": 201}, "batching.max_seconds: 200 in the state, 201 here"),
            ({"buckets": 3}, "batching.buckets: 100 in the state, 3 here"),
            ({"buckets": [20.0, 60.0]}, "batching.buckets: 100 in the state"),
            ({"sample_rate": 8000}, "batching.sample_rate"),
            ({"drop_remainder": True}, "batching.drop_remainder"),
            ({"min_duration": 2}, "batching.min_duration"),
            ({"shuffle": False}, "shuffle: True in the state"),
        ],
    )
    def test_a_state_of_other_batches_is_refused(self, folder, more, place):
        state = batches_of(folder).state_dict()
        batches = batches_of(folder, **more)
        before = batches.state_dict()
        with pytest.raises(StateError, match=place.replace(".", r"\.")):
            batches.load_state_dict(state)
        assert batches.state_dict() == before

    def test_a_state_of_other_windows_or_of_a_loader_is_refused(self, folder, other):
        with pytest.raises(StateError, match=r"sources\[0\]\.fingerprint"):
            batches_of(other).load_state_dict(batches_of(folder).state_dict())
        with pytest.raises(StateError, match="format, version"):
            batches_of(folder).load_state_dict(WindowLoader(folder).state_dict())
        with pytest.raises(StateError, match="format, version"):
            WindowLoader(folder).load_state_dict(batches_of(folder).state_dict())

    @pytest.mark.parametrize(
        "progress",
        [
            BatchProgress(0, (), Partition(0, 1), 10**6, 0),
            BatchProgress(0, (Run(2, 0, 10**6),), Partition(0, 1), 0, 0),
        ],
    )
    def test_a_state_of_more_steps_than_there_are_is_refused(self, folder, progress):
        batches = batches_of(folder)
        with pytest.raises(StateError, match="the epoch has fewer"):
            batches.load_state_dict(batches.state_at(progress))

    def test_a_pass_may_be_told_to_go_on_elsewhere(self, folder):
        """As torchdata's StatefulDataLoader does with the iterator of a sampler."""
        batches = batches_of(folder)
        expected = list(batches)
        state = iter(batches_of(folder)).state_after(5)
        passing = iter(batches)
        passing.load_state_dict(state)
        assert next(passing) == expected[5]
        assert batches.state_dict() == passing.state_dict() != state
        assert list(passing) == expected[6:]

    def test_every_field_of_a_state_is_looked_at(self, folder):
        _, state = read_some(folder, None, 2, 2, 3)
        for name in state:
            for value in (None, -1, "x", [None], {}, 1 << 70):
                with pytest.raises(StateError):
                    batches_of(folder).load_state_dict({**state, name: value})
            with pytest.raises(StateError):
                batches_of(folder).load_state_dict({key: each for key, each in state.items() if key != name})
        with pytest.raises(StateError):
            batches_of(folder).load_state_dict({**state, "more": 1})

    def test_workers_that_are_not_at_one_step_cannot_be_merged(self, folder):
        states = []
        for worker in range(2):
            passing = iter(batches_of(folder, 0, 1, worker, 2))
            list(itertools.islice(passing, 3 * worker))
            states.append(passing.state_dict())
        with pytest.raises(StateError, match="save the states of all workers after the same batch"):
            merge_states(states)
        with pytest.raises(StateError, match="worker 1 of 2 is missing"):
            merge_states(states[:1])

    def test_ranks_that_are_not_at_one_step_cannot_be_merged(self, folder):
        states = []
        for rank in range(2):
            passing = iter(batches_of(folder, rank, 2))
            list(itertools.islice(passing, rank))
            states.append(passing.state_dict())
        with pytest.raises(StateError, match="step: 1 in the state, 0 here"):
            merge_states(states)


class TestBadArguments:
    @pytest.mark.parametrize(
        ("more", "why"),
        [
            ({"max_seconds": None}, "give one of max_num_elements, max_seconds and batch_size"),
            ({"batch_size": 3}, "max_seconds and batch_size: give one of them"),
            ({"max_seconds": 0}, "max_seconds=0: must be a number of seconds above 0"),
            ({"max_seconds": float("nan")}, "max_seconds=nan"),
            ({"max_seconds": 10**400}, "max_seconds=10000"),
            ({"max_seconds": 20}, "the longest window has 816,816 samples .* a batch may have 320,000"),
            ({"max_seconds": None, "batch_size": 0}, "batch_size=0: must be an integer, at least 1"),
            ({"max_seconds": None, "max_num_elements": 2.5}, "max_num_elements=2.5: must be an integer"),
            ({"buckets": 0}, "buckets=0"),
            ({"buckets": []}, r"buckets=\[\]"),
            ({"buckets": "30"}, "buckets='30'"),
            ({"buckets": [10.0, 5.0]}, "must ascend"),
            ({"buckets": [10.0, 30.0]}, "the last of the buckets ends at"),
            ({"buckets": [(4, 1_000_000)]}, "max_seconds: leave it out"),
            (
                {"max_seconds": None, "buckets": [(4, 1_000_000)], "num_seqs_multiple_of": 2},
                "num_seqs_multiple_of: leave",
            ),
            ({"sample_rate": 0}, "sample_rate=0"),
            ({"num_seqs_multiple_of": 0}, "num_seqs_multiple_of=0"),
            ({"min_duration": 90}, "none of 500 windows is within these limits"),
            ({"min_duration": 9, "max_duration": 8}, "max_duration=8: is below min_duration=9"),
            ({"drop_remainder": 1}, "drop_remainder=1: must be True or False"),
            ({"seed": 1.5}, "seed=1.5: must be an integer"),
            ({"repeat": True}, "repeat=True"),
        ],
    )
    def test_they_are_refused_by_name(self, folder, more, why):
        with pytest.raises(ValueError, match=why):
            batches_of(folder, **more)

    def test_an_epoch_that_would_be_dropped_whole_is_refused(self, folder):
        batches = batches_of(folder, max_seconds=None, batch_size=COUNT + 1, drop_remainder=True)
        with pytest.raises(ValueError, match="the 500 windows fill no step of 1 ranks, and all are dropped"):
            iter(batches)

    def test_no_windows_at_all_are_said_to_be_none(self, tmp_path):
        with pytest.raises(ValueError, match="the sources have no windows"):
            batches_of(write_windows(tmp_path / "none", []))

    def test_several_ranks_without_a_partition_are_refused(self, folder, monkeypatch):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "0")
        with pytest.raises(PartitionError, match="each would read everything"):
            iter(WindowBatches(folder, batch_size=4))
