"""Windows with their audio from torch's DataLoader and torchdata's StatefulDataLoader, where they are installed."""

import json

import numpy as np
import pytest

from alm_beam.loader import Partition
from tests.loader.sounding import assert_is, number_of, window_id
from tests.loader.uploads import uploaded

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader  # noqa: E402

from alm_beam.loader.dataset import WindowDataset  # noqa: E402

WINDOWS = [window_id(number) for number in range(12)]
ALONE = Partition(0, 1)


@pytest.mark.parametrize(("where", "method"), [("here", "fork"), ("here", "spawn"), ("in S3", "spawn")])
def test_workers_give_windows_with_audio(shards, s3, where, method):
    url, options = (shards, None) if where == "here" else (uploaded(s3, shards), s3.options)
    dataset = WindowDataset(url, partition=ALONE, audio=True, storage_options=options)
    batches = DataLoader(
        dataset, batch_size=3, num_workers=2, collate_fn=list, multiprocessing_context=method, timeout=120
    )
    for _ in range(2):
        windows = [window for batch in batches for window in batch]
        for window in windows:
            assert_is(window["audio"], number_of(window))
            assert_is(dataset.audio(window), number_of(window))
        assert sorted(window["id"] for window in windows) == sorted(WINDOWS)


def test_a_batch_of_tensors(shards):
    def padded(windows):
        longest = max(window["audio"].samples.shape[1] for window in windows)
        return torch.stack(
            [
                torch.nn.functional.pad(torch.from_numpy(window["audio"].samples), (0, longest - samples))
                for window in windows
                for samples in [window["audio"].samples.shape[1]]
            ]
        )

    batches = list(
        DataLoader(WindowDataset(shards, audio=True, partition=ALONE), batch_size=4, num_workers=2, collate_fn=padded)
    )
    assert sorted(batch.shape[:2] for batch in batches) == [(2, 1), (2, 1), (4, 1), (4, 1)]
    assert all(batch.dtype == torch.float32 and float(batch.abs().max()) > 0.5 for batch in batches)


def test_a_saved_state_goes_on_with_audio(shards):
    stateful = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader

    def batches(audio: bool):
        dataset = WindowDataset(shards, seed=2, partition=ALONE, audio=audio)
        return stateful(dataset, batch_size=2, num_workers=2, collate_fn=list)

    whole = [[window["id"] for window in batch] for batch in batches(False)]
    first = batches(True)
    reading = iter(first)
    for _ in range(2):
        next(reading)
    state = json.loads(json.dumps(first.state_dict()))
    later = batches(True)
    later.load_state_dict(state)
    rest = list(later)
    assert [[window["id"] for window in batch] for batch in rest] == whole[2:]
    for window in (window for batch in rest for window in batch):
        assert_is(window["audio"], number_of(window))
        assert np.isfinite(window["audio"].samples).all()
