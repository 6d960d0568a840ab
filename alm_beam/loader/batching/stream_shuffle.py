"""The shuffle of fairseq2: items permuted within blocks, in exactly its order."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from alm_beam.loader.batching.stream_config import check_window

Item = TypeVar("Item")

_LOW_32 = 0xFFFF_FFFF


class BlockShuffle:
    """Permutes the items of a stream within blocks of `window` items that follow each other, as fairseq2 does.

    No item leaves its block. A window of 1 changes nothing; one of at least as many as there are items shuffles all.
    A block is held in memory. Each call goes on with the random generator of the one before, so each epoch has an
    order of its own.

    Attributes:
        window: items of a block.

    >>> shuffle = BlockShuffle(window=4, seed=1234)
    >>> list(shuffle(range(9))), list(shuffle(range(9)))
    ([1, 0, 2, 3, 4, 6, 7, 5, 8], [1, 3, 0, 2, 5, 7, 4, 6, 8])
    """

    def __init__(self, window: int, seed: int, epoch: int = 0):
        """
        Args:
            window: items of a block, from 1.
            seed: any integer; its low 32 bits count, as in fairseq2.
            epoch: another one than 0 gives orders of its own, which fairseq2 does not have.

        Raises:
            ConfigError: the window is no integer from 1 on.
        """
        check_window("window", window)
        self.window = window
        key: Any = [seed & _LOW_32, epoch] if epoch else seed & _LOW_32
        self._random = np.random.RandomState(key)

    def __call__(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items in their new order."""
        if self.window == 1:
            yield from items
            return
        source = iter(items)
        while block := list(islice(source, self.window)):
            self._permute(block)
            yield from block
            block.clear()  # before the next block is read, so that one alone is held

    def _permute(self, block: list[Item]) -> None:
        """Fisher and Yates, from the last item down: each item changes places with one of those up to it."""
        words = self._random.randint(0, 1 << 32, (len(block) - 1, 2), dtype=np.uint32).astype(np.uint64)
        draws = words[:, 0] << np.uint64(32) | words[:, 1]
        others = draws % np.arange(len(block), 1, -1, dtype=np.uint64)
        for at, other in zip(range(len(block) - 1, 0, -1), others.tolist()):
            block[at], block[other] = block[other], block[at]
