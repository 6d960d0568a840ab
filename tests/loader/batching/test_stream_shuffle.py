import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.parameters import ConfigError
from alm_beam.loader.batching.stream_shuffle import BlockShuffle
from tests.loader.batching.goldens import goldens


@pytest.mark.parametrize("golden", goldens("shuffle_orders"), ids=lambda golden: f"{golden['n']}-{golden['window']}")
def test_equal_to_fairseq2(golden):
    everything = golden["n"]  # fairseq2's window of 0
    shuffle = BlockShuffle(golden["window"] or everything, golden["seed"])
    assert list(shuffle(range(golden["n"]))) == golden["epoch1"]
    assert list(shuffle(range(golden["n"]))) == golden["epoch2_without_rng_reset"]


@given(st.integers(0, 200), st.integers(1, 60), st.integers())
def test_items_stay_in_their_blocks(count, window, seed):
    found = list(BlockShuffle(window, seed)(range(count)))
    for begin in range(0, count, window):
        block = found[begin : begin + window]
        assert sorted(block) == list(range(begin, min(begin + window, count)))


def test_one_block_is_read_ahead():
    read = []
    found = BlockShuffle(4, 0)(read.append(number) or number for number in range(100))
    for count in range(1, 30):
        next(found)
        assert len(read) == -(-count // 4) * 4


def test_one_block_is_held():
    class Item:
        pass

    alive = weakref.WeakSet()

    def items():
        for _ in range(100):
            item = Item()
            alive.add(item)
            assert len(alive) <= 5 + 1
            yield item
            del item

    for _ in BlockShuffle(5, 0)(items()):
        pass


def test_other_epochs_have_other_orders():
    orders = {tuple(BlockShuffle(100, 2, epoch)(range(100))) for epoch in range(20)}
    assert len(orders) == 20


@pytest.mark.parametrize("window", [0, -1, 2.0, None, True])
def test_window_is_from_1_on(window):
    with pytest.raises(ConfigError, match=f"window={window}: must be an integer, at least 1; 1 means no shuffling"):
        BlockShuffle(window, 0)
