"""Batches in torch's DataLoader and torchdata's StatefulDataLoader, where they are installed."""

import json
from functools import partial
from itertools import islice

import numpy as np
import pytest

from alm_beam.loader import (
    Batch,
    BatchLoader,
    Partition,
    StateError,
    WindowBatches,
    Windows,
    collate,
    collate_tensors,
    merge_states,
)
from tests.loader.sounding import RATE, as_read, number_of, sound_of, window_id, write_shards
from tests.loader.uploads import uploaded

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader  # noqa: E402

ALONE = Partition(0, 1)
WINDOWS = 12


@pytest.fixture(scope="module")
def stateful():
    return pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader


def batches_of(sources, partition=ALONE, **options):
    return WindowBatches(sources, seed=1, partition=partition, **{"batch_size": 5, "buckets": 2, **options})


def data_loader(sources, num_workers=2, kind=DataLoader, partition=ALONE, **options):
    """Batches of cuts, without audio."""
    windows = Windows(sources, audio=False)
    batches = batches_of(sources, partition)
    return kind(windows, batch_sampler=batches, num_workers=num_workers, collate_fn=list, **options)


def ids(batches) -> list[list[str]]:
    return [[window["id"] for window in batch] for batch in batches]


def flat(batches) -> list[str]:
    return [each for batch in batches for each in batch]


def assert_sounds(batch: Batch) -> None:
    assert batch.audio.dtype is torch.float32
    assert batch.lengths.dtype is torch.int64
    assert batch.audio.shape == (len(batch.windows), max(batch.lengths))
    assert batch.sample_rate == RATE
    for row, length, window in zip(batch.audio, batch.lengths, batch.windows):
        np.testing.assert_array_equal(row[:length].numpy(), as_read(sound_of(number_of(window)))[0])
        assert not row[length:].any()


def scaled(samples, _):
    return samples[::160, None]


# Tensors


def test_tensors_are_the_arrays_themselves(shards):
    batch = collate(Windows(shards).__getitems__([3, 1]), scaled)
    tensors = batch.to_torch()
    assert type(tensors) is Batch
    assert_sounds(tensors)
    assert tensors.features.shape == batch.features.shape
    assert tensors.feature_lengths.tolist() == batch.feature_lengths.tolist()
    batch.audio[0, 0] = 7
    assert tensors.audio[0, 0] == 7
    assert collate_tensors([]).audio.shape == (0, 0)
    assert collate_tensors([]).features is None


def test_features_that_are_tensors(shards):
    def frames(samples, _):
        return torch.from_numpy(samples).unfold(0, 400, 160)

    batch = collate_tensors(Windows(shards).__getitems__([3, 1]), frames)
    assert batch.features.shape == (2, int(batch.feature_lengths.max()), 400)


def test_pinned_memory_takes_a_batch(shards, monkeypatch):
    """What DataLoader does with pin_memory=True; here there is no GPU, so pinning itself stands in."""
    from torch.utils.data._utils.pin_memory import pin_memory

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self, *_: self.clone())
    batch = collate_tensors(Windows(shards).__getitems__([3, 1]))
    pinned = pin_memory(batch)
    assert type(pinned) is Batch
    assert pinned.audio.data_ptr() != batch.audio.data_ptr()
    assert_sounds(pinned)
    assert pinned.windows == batch.windows
    assert (pinned.features, pinned.supervisions) == (None, batch.supervisions)


# DataLoader


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_those_of_the_batch_loader(cuts, num_workers):
    expected = BatchLoader(batches_of(cuts), Windows(cuts, audio=False), collate=list)
    loader = data_loader(cuts, num_workers)
    assert len(loader) == len(expected)
    for _ in range(2):
        assert list(loader) == list(expected)


@pytest.mark.parametrize(
    ("num_workers", "options"),
    [
        (0, {}),
        (2, {"multiprocessing_context": "fork"}),
        (2, {"multiprocessing_context": "spawn", "persistent_workers": True}),
    ],
)
def test_batches_of_tensors(shards, num_workers, options):
    batches = batches_of(shards)
    loader = DataLoader(
        Windows(shards),
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=partial(collate_tensors, features=scaled),
        **options,
    )
    for _ in range(2):
        found = list(loader)
        for batch in found:
            assert_sounds(batch)
            assert batch.features.shape == (len(batch.windows), -(-int(max(batch.lengths)) // 160), 1)
        assert sorted(flat(ids(batch.windows for batch in found))) == sorted(map(window_id, range(WINDOWS)))


def test_batches_of_a_store(shards, s3):
    url = uploaded(s3, shards)
    loader = DataLoader(
        Windows(url, storage_options=s3.options),
        batch_sampler=batches_of(url, storage_options=s3.options),
        num_workers=2,
        collate_fn=collate_tensors,
        multiprocessing_context="spawn",
        timeout=120,
    )
    found = list(loader)
    for batch in found:
        assert_sounds(batch)
    assert sum(len(batch.windows) for batch in found) == WINDOWS


def test_an_empty_batch_reaches_the_loop(shards):
    """That of a rank without windows at the last step: the ranks stay in step."""
    found = []
    for rank in range(5):
        batches = batches_of(shards, Partition(rank, 5), batch_size=2)
        loader = DataLoader(Windows(shards), batch_sampler=batches, num_workers=2, collate_fn=collate_tensors)
        found.append(list(loader))
    assert len(set(map(len, found))) == 1
    assert sum(len(batch.windows) for each in found for batch in each) == WINDOWS
    empty = [batch for each in found for batch in each if not batch.windows]
    assert empty
    assert all(batch.audio.shape == (0, 0) for batch in empty)


def test_numbers_of_windows_make_a_plain_dataset(shards):
    loader = DataLoader(Windows(shards), batch_size=4, shuffle=True, num_workers=2, collate_fn=collate_tensors)
    found = list(loader)
    for batch in found:
        assert_sounds(batch)
    assert sorted(flat(ids(batch.windows for batch in found))) == sorted(map(window_id, range(WINDOWS)))


@pytest.mark.parametrize("set_epoch", [False, True])
@pytest.mark.parametrize("persistent", [False, True])
def test_every_epoch_has_batches_of_its_own(cuts, persistent, set_epoch):
    loader = data_loader(cuts, persistent_workers=persistent)
    found = []
    for epoch in range(3):
        if set_epoch:
            loader.batch_sampler.set_epoch(epoch)
        found.append(ids(loader))
    reference = data_loader(cuts, 0)
    assert found == [ids(reference) for _ in range(3)]
    assert len({json.dumps(each) for each in found}) == 3


# StatefulDataLoader


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("num_workers", [0, 1, 2, 3])
def test_a_stateful_loader_goes_on_exactly_where_it_was(cuts, stateful, num_workers, persistent):
    options = {"kind": stateful, "persistent_workers": persistent and num_workers > 0}
    complete = data_loader(cuts, num_workers, **options)
    whole, following = ids(complete), ids(complete)
    for position in (0, 1, 7, len(whole) - 1, len(whole)):
        running = data_loader(cuts, num_workers, **options)
        batches = iter(running)
        for _ in range(position):
            next(batches)
        state = json.loads(json.dumps(running.state_dict()))
        resumed = data_loader(cuts, num_workers, **options)
        resumed.load_state_dict(state)
        assert ids(resumed) == whole[position:]
        assert ids(resumed) == following


@pytest.mark.parametrize("num_workers", [0, 2])
def test_in_the_middle_of_a_later_epoch(cuts, stateful, num_workers):
    running = data_loader(cuts, num_workers, stateful)
    ids(running)
    batches = iter(running)
    for _ in range(6):
        next(batches)
    state = json.loads(json.dumps(running.state_dict()))
    rest, following = ids(batches), ids(running)
    resumed = data_loader(cuts, num_workers, stateful)
    resumed.load_state_dict(state)
    resumed.batch_sampler.set_epoch(1)
    assert ids(resumed) == rest
    assert ids(resumed) == following


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_finished_stateful_loader_goes_on_with_the_next_epoch(cuts, stateful, num_workers):
    complete = data_loader(cuts, num_workers, stateful)
    list(complete)
    state = json.loads(json.dumps(complete.state_dict()))
    resumed = data_loader(cuts, num_workers, stateful)
    resumed.load_state_dict(state)
    assert ids(resumed) == ids(complete), "StatefulDataLoader begins the next pass at once"


def test_a_state_resumes_with_audio_in_spawned_workers(shards, stateful):
    def loader(method):
        return stateful(
            Windows(shards),
            batch_sampler=batches_of(shards, batch_size=2),
            num_workers=2,
            collate_fn=collate_tensors,
            multiprocessing_context=method,
        )

    whole = ids(batch.windows for batch in loader("fork"))
    running = loader("fork")
    reading = iter(running)
    assert_sounds(next(reading))
    state = json.loads(json.dumps(running.state_dict()))
    resumed = loader("spawn")
    resumed.load_state_dict(state)
    found = list(resumed)
    for batch in found:
        assert_sounds(batch)
    assert ids(batch.windows for batch in found) == whole[1:]


@pytest.mark.parametrize(("before", "after"), [((1, 2), (1, 3)), ((2, 2), (1, 0)), ((2, 3), (3, 2)), ((1, 0), (4, 2))])
@pytest.mark.parametrize("steps", [0, 1, 4, 5])
def test_other_ranks_and_workers_go_on(cuts, stateful, before, after, steps):
    """With the state of one rank, or that which `merge_states` makes of all."""
    found, states = [], []
    for rank in range(before[0]):
        loader = data_loader(cuts, before[1], stateful, Partition(rank, before[0]))
        batches = iter(loader)
        found += flat(ids(next(batches) for _ in range(steps)))
        states.append(json.loads(json.dumps(loader.state_dict())))
    merged = merge_states(states)
    for rank in range(after[0]):
        loader = data_loader(cuts, after[1], stateful, Partition(rank, after[0]))
        loader.batch_sampler.load_state_dict(merge_states(states[rank % before[0]]) if rank else merged)
        mine = iter(loader)
        found += flat(ids([next(mine)]))
        loader.state_dict()
        found += flat(ids(mine))
    assert sorted(found) == sorted(flat(ids(data_loader(cuts, 0))))


def test_a_chain_of_changes(cuts, stateful):
    found, state = [], None
    for world_size, num_workers in ((2, 2), (1, 3), (3, 0), (2, 1)):
        states = []
        for rank in range(world_size):
            loader = data_loader(cuts, num_workers, stateful, Partition(rank, world_size))
            if state:
                loader.batch_sampler.load_state_dict(state)
            batches = iter(loader)
            found += flat(ids(islice(batches, 2)))
            states.append(loader.state_dict())
        state = merge_states(states)
    last = data_loader(cuts, 2)
    last.batch_sampler.load_state_dict(state)
    assert sorted([*found, *flat(ids(last))]) == sorted(flat(ids(data_loader(cuts, 0))))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_state_of_the_batch_loader_is_one_of_the_sampler(cuts, stateful, num_workers):
    """Who leaves DataLoader for BatchLoader goes on, and the other way round."""
    whole = ids(data_loader(cuts, 0))
    running = data_loader(cuts, num_workers, stateful)
    batches = iter(running)
    assert ids(next(batches) for _ in range(4)) == whole[:4]
    threaded = BatchLoader(batches_of(cuts), Windows(cuts, audio=False), collate=list)
    threaded.load_state_dict(merge_states(running.state_dict()))
    reading = iter(threaded)
    assert ids(next(reading) for _ in range(4)) == whole[4:8]
    last = data_loader(cuts, num_workers, stateful)
    last.batch_sampler.load_state_dict(threaded.state_dict())
    assert ids(last) == whole[8:]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_state_of_others_is_refused(cuts, more_cuts, stateful, num_workers):
    state = data_loader(cuts, num_workers, stateful).state_dict()
    resumed = data_loader(more_cuts, num_workers, stateful)
    resumed.load_state_dict(state)
    with pytest.raises(StateError, match="the state does not fit"):
        iter(resumed)


def test_an_old_snapshot_cannot_be_merged(cuts, stateful):
    loader = data_loader(cuts, 2, stateful, snapshot_every_n_steps=4)
    batches = iter(loader)
    for _ in range(6):
        next(batches)
    with pytest.raises(StateError, match="snapshot_every_n_steps=1"):
        merge_states(loader.state_dict())


def test_windows_of_other_sources_are_an_error_in_workers(shards, tmp_path):
    """Tokens name rows; where a row is not there, the worker says so."""
    few = write_shards(tmp_path / "few", 3)
    loader = DataLoader(Windows(few), batch_sampler=batches_of(shards), num_workers=2, collate_fn=collate_tensors)
    with pytest.raises(IndexError, match=r"row \d+ of source 0: there are 3"):
        list(loader)
