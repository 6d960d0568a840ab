"""The loader inside torch's DataLoader and torchdata's StatefulDataLoader, where they are installed."""

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from alm_beam.loader import Partition, PartitionError, Source, StateError, WindowLoader, merge_states

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader, IterableDataset  # noqa: E402

from alm_beam.loader.dataset import WindowDataset  # noqa: E402

ALONE = Partition(0, 1)


def ids(batches) -> list[str]:
    return [window["id"] for batch in batches for window in batch]


def data_loader(cuts, num_workers=2, kind=DataLoader, partition=ALONE, batch_size=3, **options):
    dataset = WindowDataset(cuts, seed=1, partition=partition)
    return kind(dataset, batch_size=batch_size, num_workers=num_workers, collate_fn=list, **options)


@pytest.fixture(scope="module")
def stateful():
    return pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader


def test_it_is_a_dataset_and_a_loader(cuts):
    dataset = WindowDataset(cuts)
    assert isinstance(dataset, IterableDataset)
    assert isinstance(dataset, WindowLoader)
    assert isinstance(pickle.loads(pickle.dumps(dataset)), WindowDataset)


@pytest.mark.parametrize("num_workers", [0, 1, 2, 3])
def test_every_window_comes_once(cuts, num_workers):
    found = ids(data_loader(cuts, num_workers))
    assert len(found) == len(set(found)) == 100


def test_spawned_workers(cuts):
    loader = data_loader(cuts, multiprocessing_context="spawn")
    first, second = ids(loader), ids(loader)
    assert len(set(first)) == len(set(second)) == 100
    assert first != second


def test_workers_without_a_partition_are_an_error(cuts):
    with pytest.raises(PartitionError, match="one of 2 workers and has no partition"):
        list(data_loader(cuts, partition=None))
    assert len(ids(data_loader(cuts, 1, partition=None))) == 100
    assert len(ids(data_loader(cuts, 0, partition=None))) == 100


def test_a_partition_of_another_worker_is_an_error(cuts):
    with pytest.raises(PartitionError, match="the partition is that of worker 0 of 2, but this is worker 1 of 2"):
        list(data_loader(cuts, partition=Partition(0, 1, 0, 2)))


def test_ranks_are_disjoint(cuts):
    found = [ids(data_loader(cuts, partition=Partition(rank, 3))) for rank in range(3)]
    assert sorted(map(len, found)) == [33, 33, 34]
    assert len({each for mine in found for each in mine}) == 100


@pytest.mark.parametrize("set_epoch", [False, True])
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_every_epoch_has_an_order_of_its_own(cuts, num_workers, persistent, set_epoch):
    loader = data_loader(cuts, num_workers, persistent_workers=persistent and num_workers > 0)
    found = []
    for epoch in range(3):
        if set_epoch:
            loader.dataset.set_epoch(epoch)
        found.append(ids(loader))
    reference = data_loader(cuts, num_workers)
    reference.dataset.set_epoch(2)
    assert ids(reference) == found[2]
    assert len(set(map(tuple, found))) == 3
    assert all(len(set(each)) == 100 for each in found)


@pytest.mark.parametrize("persistent", [False, True])
def test_leaving_a_pass_early_leaves_no_trace_in_the_next(cuts, persistent):
    loader = data_loader(cuts, persistent_workers=persistent)
    for batch in loader:
        assert batch
        break
    found = ids(loader)
    assert len(set(found)) == 100
    reference = data_loader(cuts)
    reference.dataset.set_epoch(1)
    assert found == ids(reference)


@pytest.mark.parametrize("persistent", [False, True])
def test_setting_an_epoch_reaches_workers_that_are_kept(cuts, persistent):
    loader = data_loader(cuts, persistent_workers=persistent)
    first, _ = ids(loader), ids(loader)
    loader.dataset.set_epoch(0)
    assert ids(loader) == first


def test_only_the_workers_know_how_far_they_are(cuts):
    loader = data_loader(cuts)
    next(iter(loader))
    with pytest.raises(StateError, match="the workers of a DataLoader read"):
        loader.dataset.state_dict()
    loader.dataset.set_epoch(3)
    assert loader.dataset.state_dict()["epoch"] == 3


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("num_workers", [0, 1, 2, 3])
def test_a_stateful_loader_goes_on_exactly_where_it_was(cuts, stateful, num_workers, persistent):
    options = {"kind": stateful, "persistent_workers": persistent and num_workers > 0}
    complete = data_loader(cuts, num_workers, **options)
    whole, following = list(complete), list(complete)
    for position in (0, 1, len(whole) // 2, len(whole) - 1, len(whole)):
        running = data_loader(cuts, num_workers, **options)
        batches = iter(running)
        for _ in range(position):
            next(batches)
        state = json.loads(json.dumps(running.state_dict()))
        resumed = data_loader(cuts, num_workers, **options)
        resumed.load_state_dict(state)
        assert list(resumed) == whole[position:]
        assert list(resumed) == following


def test_a_finished_stateful_loader_goes_on_with_the_next_epoch(cuts, stateful):
    for num_workers in (0, 2):
        complete = data_loader(cuts, num_workers, kind=stateful)
        list(complete)
        state = complete.state_dict()
        resumed = data_loader(cuts, num_workers, kind=stateful)
        resumed.load_state_dict(state)
        assert list(resumed) == list(complete), "StatefulDataLoader begins the next pass at once"


@pytest.mark.parametrize(("before", "after"), [((1, 2), (1, 3)), ((2, 2), (1, 0)), ((2, 3), (3, 2)), ((1, 0), (4, 2))])
@pytest.mark.parametrize("steps", [0, 1, 4, 5])
def test_other_ranks_and_workers_go_on_with_the_merged_state(cuts, stateful, before, after, steps):
    found, states = [], []
    for rank in range(before[0]):
        loader = data_loader(cuts, before[1], stateful, Partition(rank, before[0]))
        batches = iter(loader)
        found += ids(next(batches) for _ in range(steps))
        states.append(loader.state_dict())
    state = json.loads(json.dumps(merge_states(states)))
    for rank in range(after[0]):
        loader = data_loader(cuts, after[1], stateful, Partition(rank, after[0]))
        loader.dataset.load_state_dict(state)
        mine = iter(loader)
        found += ids([next(mine)])
        second = loader.state_dict()
        assert second["_snapshot"]["_worker_snapshots"] if after[1] else True
        found += ids(mine)
        following = ids(loader)
        assert len(set(following)) == len(loader.dataset)
    assert sorted(found) == sorted(ids(data_loader(cuts, 0)))


def test_a_chain_of_merged_states(cuts, stateful):
    found, state = [], None
    for world_size, num_workers in ((2, 2), (1, 3), (3, 0), (2, 1)):
        states = []
        for rank in range(world_size):
            loader = data_loader(cuts, num_workers, stateful, Partition(rank, world_size), batch_size=2)
            if state:
                loader.dataset.load_state_dict(state)
            batches = iter(loader)
            found += ids(next(batches) for _ in range(3 + rank))
            states.append(loader.state_dict())
        state = merge_states(states)
    last = data_loader(cuts, 2)
    last.dataset.load_state_dict(state)
    assert sorted([*found, *ids(last)]) == sorted(ids(data_loader(cuts, 0)))


def test_file_by_file_with_a_chain_of_merged_states(cuts, stateful):
    def made(num_workers, partition=ALONE):
        dataset = WindowDataset(cuts, seed=1, partition=partition, order="shards", shuffle_window=16)
        return stateful(dataset, batch_size=2, num_workers=num_workers, collate_fn=list)

    found, state = [], None
    for world_size, num_workers in ((2, 2), (1, 3), (3, 0), (2, 1)):
        states = []
        for rank in range(world_size):
            loader = made(num_workers, Partition(rank, world_size))
            if state:
                loader.dataset.load_state_dict(state)
            batches = iter(loader)
            found += ids(next(batches) for _ in range(3 + rank))
            states.append(loader.state_dict())
        state = merge_states(states)
    last = made(2)
    last.dataset.load_state_dict(state)
    assert sorted([*found, *ids(last)]) == sorted(ids(made(0)))


def test_an_old_snapshot_cannot_be_merged(cuts, stateful):
    loader = data_loader(cuts, 2, stateful, snapshot_every_n_steps=4)
    batches = iter(loader)
    for _ in range(6):
        next(batches)
    with pytest.raises(StateError, match="snapshot_every_n_steps=1"):
        merge_states(loader.state_dict())


def test_a_state_that_does_not_fit_is_refused_in_workers(cuts, more_cuts, stateful):
    state = data_loader(cuts, 2, stateful).state_dict()
    resumed = data_loader([Source(cuts), Source(more_cuts)], 2, stateful)
    resumed.load_state_dict(state)
    with pytest.raises(StateError, match="sources: 1 in the state, 2 here"):
        iter(resumed)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_state_that_was_changed_is_refused(cuts, stateful, num_workers):
    loader = data_loader(cuts, num_workers, stateful)
    batches = iter(loader)
    next(batches)
    saved = json.dumps(loader.state_dict())
    changed = re.sub(r'"positions": \{"(\d)": \d+\}', r'"positions": {"\1": 9}', saved)
    assert changed != saved
    with pytest.raises(StateError, match="checksum: is that of other fields"):
        merge_states(json.loads(changed))
    resumed = data_loader(cuts, num_workers, stateful)
    resumed.load_state_dict(json.loads(changed))
    with pytest.raises(StateError, match="checksum: is that of other fields"):
        iter(resumed)


@pytest.mark.usefixtures("stateful")
def test_the_loop_of_the_page_is_left_and_goes_on(cuts):
    """The block of docs/training.md, as it stands, left in the middle of the second epoch."""
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    [block] = [each for each in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "StatefulDataLoader(" in each]
    block = block.replace('"windows"', repr(cuts)).replace("num_workers=4", "num_workers=2")
    seen, kept = [], []

    def train(batch, left=None):
        if len(seen) == left:
            raise KeyboardInterrupt
        seen.append([window["id"] for window in batch])

    def run(saved, left=None):
        names = {"rank": 0, "world_size": 1, "epochs": 3, "saved": saved, "save": kept.append}
        exec(block, {**names, "train": lambda batch: train(batch, left)})

    run(None)
    whole = list(seen)
    assert [len({each for batch in whole[at : at + 14] for each in batch}) for at in (0, 14, 28)] == [100, 100, 100]
    for left in (1, 14, 20, 28, 41):
        seen.clear()
        kept.clear()
        with pytest.raises(KeyboardInterrupt):
            run(None, left)
        run(json.loads(json.dumps(kept[-1])))
        assert seen == whole


def test_ranks_of_torch_distributed_without_a_partition_are_an_error(cuts, tmp_path):
    """Two processes of one group, that no variable tells of it."""
    script = tmp_path / "rank.py"
    script.write_text(
        "import sys\n"
        "import torch.distributed as distributed\n"
        "from alm_beam.loader import Partition, WindowLoader\n"
        "cuts, rank, meeting = sys.argv[1:]\n"
        "distributed.init_process_group('gloo', f'file://{meeting}', rank=int(rank), world_size=2)\n"
        "loader = WindowLoader(cuts)\n"
        "try:\n"
        "    iter(loader)\n"
        "except ValueError as error:\n"
        "    print(error)\n"
        "loader.partition = Partition(distributed.get_rank(), distributed.get_world_size())\n"
        "print(len(list(loader)))\n"
        "distributed.destroy_process_group()\n"
    )
    command = [sys.executable, str(script), cuts]
    ranks = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "meeting")], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for rank in ranks:
        out, _ = rank.communicate(timeout=600)
        assert "one of 2 processes (torch.distributed) and has no partition" in out
        assert out.splitlines()[-1] == "50"
