"""Batches of the same windows at the same memory by fairseq2, by Lhotse's bucketing sampler and by `WindowBatches`.

How each is run is as in `benchmarks.batching`, which has more strategies, data and figures. Speed is that of one rank
of eight that finds its batches of an epoch, by the clock, in windows of the epoch a second. Ours opens the index of the
windows, too; the others have the lengths in memory.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.batching_figures import figures
from benchmarks.batching_peers import (
    Epoch,
    Strategy,
    epoch_of_ours,
    epochs,
    strategies_of_fairseq2,
    strategies_of_lhotse,
)
from benchmarks.batching_windows import DataSet, ami_data_sets, short_data_set
from benchmarks.peers.environments import python_of
from benchmarks.peers.rows import RATE, Row, row_of

AMI_TARGET = 120
"""Seconds of the windows of AMI."""

LHOTSE_BUCKETS = 30


def rows(archive: Path | None, peers: Sequence[str], rounds: int, work: Path) -> Iterator[Row]:
    """A row for each strategy of the peers, on short windows and on those of an archive of RTTM, if there is one.

    Raises:
        PeerError: a peer failed, or Lhotse keeps within the budget in no way.
    """
    for data in _data_sets(archive, work):
        strategies = dict(_strategies(data, peers))
        theirs: dict[str, list[Epoch]] = {strategy.name: [] for found in strategies.values() for strategy in found}
        ours = []
        for _ in range(rounds):
            for peer, found in strategies.items():
                for epoch in epochs(data, python_of(peer), found):
                    theirs[epoch.strategy].append(epoch)
            ours.append(epoch_of_ours(data))
        inputs = f"{len(data.lengths):,} windows: {data.name}"
        for name, its in theirs.items():
            yield row_of(inputs, name, RATE, _speeds(data, its), _speeds(data, ours), _compared(data, its[0], ours[0]))


def _data_sets(archive: Path | None, work: Path) -> Iterator[DataSet]:
    yield short_data_set(work / "short")
    if archive is not None:
        yield from ami_data_sets(archive, work, [AMI_TARGET])


def _strategies(data: DataSet, peers: Sequence[str]) -> Iterator[tuple[str, list[Strategy]]]:
    if "fairseq2" in peers:
        yield "fairseq2", strategies_of_fairseq2()
    if "lhotse" in peers:
        yield "lhotse", list(strategies_of_lhotse(data, python_of("lhotse"), [LHOTSE_BUCKETS]))


def _speeds(data: DataSet, found: Sequence[Epoch]) -> list[float]:
    return [len(data.lengths) / epoch.seconds for epoch in found]


def _compared(data: DataSet, theirs: Epoch, ours: Epoch) -> str:
    found, own = figures(data.lengths, theirs.batches), figures(data.lengths, ours.batches)
    left = f"; {found.left_out:,} windows left out (ours {own.left_out:,})" if found.left_out or own.left_out else ""
    padding = f"{found.padding:.1%} padding (ours {own.padding:.1%})"
    return f"{padding}, {found.idle:.1%} with waiting (ours {own.idle:.1%}){left}"
