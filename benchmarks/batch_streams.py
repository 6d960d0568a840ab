"""Batches of a stream of (id, length): items a second on one core, in multiples of a loop that appends each to a list.

All ways take turns with the loop within one process, in its cores' time: that of the thread that makes batches ahead is
in it. Lengths are 1 to 40 s at 16 kHz, log-uniform; a batch has at most 180 padded seconds.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from alm_beam.loader.batching.stream_batches import StreamBatches
from alm_beam.loader.batching.stream_buckets import LengthBatches
from alm_beam.loader.batching.stream_config import StreamConfig
from alm_beam.loader.batching.stream_mixture import MixtureStream

ITEMS = 500_000
ROUNDS = 5

Items = list[tuple[int, int]]


class Row(NamedTuple):
    """A measurement: medians over the rounds. Ratio: to the loop; spread: of the ratios, greatest by least."""

    name: str
    items: int
    items_a_second: float
    ratio: float
    spread: float


def rows(items: int = ITEMS, rounds: int = ROUNDS) -> Iterator[Row]:
    """The measurements, in a process of their own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        yield from process.submit(_measured, items, rounds).result()


def _measured(count: int, rounds: int) -> list[Row]:
    lengths = np.exp(np.random.default_rng(1).uniform(np.log(16_000), np.log(640_000), count)).astype(int)
    items = list(enumerate(lengths.tolist()))
    seconds: dict[str, list[float]] = {name: [] for name in _WAYS}
    floors: list[float] = []
    for _ in range(rounds):
        floors.append(_seconds(_appended, items))
        for name, way in _WAYS.items():
            seconds[name].append(_seconds(way, items))
    return [_row(name, count, found, floors) for name, found in seconds.items()]


def _row(name: str, count: int, seconds: list[float], floors: list[float]) -> Row:
    ratios = [one / floor for one, floor in zip(seconds, floors)]
    return Row(name, count, count / statistics.median(seconds), statistics.median(ratios), max(ratios) / min(ratios))


def _seconds(way: Callable[[Items], int], items: Items) -> float:
    begin = time.process_time()
    came = way(items)
    took = time.process_time() - begin
    assert came == len(items)
    return took


def _appended(items: Items) -> int:
    found: Items = []
    for item in items:
        found.append(item)
    return len(found)


def _config(**others: object) -> StreamConfig:
    return StreamConfig.in_seconds(max_seconds=180, min_duration=1, max_duration=40, **others)


def _by_length(items: Items) -> int:
    return sum(map(len, LengthBatches(items, _config().buckets.buckets, length=itemgetter(1), min_data_len=16_000)))


def _streamed(**others: object) -> Callable[[Items], int]:
    config = _config(**others)
    return lambda items: sum(map(len, StreamBatches(items, config, length=itemgetter(1))))


def _mixed(items: Items) -> int:
    sources = {name: [items[at : at + 100] for at in range(name, len(items), 1000)] for name in range(8)}
    mixture = MixtureStream(sources, {name: name + 1 for name in sources})
    return sum(1 for _ in islice(mixture, len(items)))


_WAYS: dict[str, Callable[[Items], int]] = {
    "LengthBatches": _by_length,
    "StreamBatches, LENGTH, no shuffle, nothing made ahead": _streamed(batch_shuffle_window=1, num_prefetch=0),
    "StreamBatches, LENGTH, batch_shuffle_window=1000, num_prefetch=4": _streamed(),
    "the same and example_shuffle_window=10000": _streamed(example_shuffle_window=10_000),
    "StreamBatches, STATIC, batch_size=8, as above": _streamed(
        batching_strategy="STATIC", batch_size=8, example_shuffle_window=10_000
    ),
    "MixtureStream, 8 sources, no batches": _mixed,
}


if __name__ == "__main__":
    for row in rows():
        print(f"{row.name:66}{row.items_a_second:>12,.0f} items/s{row.ratio:>7.1f} times the loop, {row.spread:.2f}")
