"""Strategies of batching on the same windows at the same memory: STATIC and LENGTH of fairseq2, Lhotse's, and ours.

`python -m benchmarks.batching ARCHIVE` prints tables as Markdown, in some minutes. ARCHIVE is a tar archive of RTTM
files, such as those of AMI's meetings (https://github.com/BUTSpeechFIT/AMI-diarization-setup).

fairseq2 and Lhotse are in the environments that `make bench-peers` makes. Where one is missing, its rows are left out,
and a line says so. `--fairseq2 PYTHON` and `--lhotse PYTHON` name others.

8 ranks read one epoch. A batch with its padding has room for 16 of the longest windows that the data set admits, or for
960 s where they have 1 to 40 s. fairseq2 and Lhotse get the windows wholly shuffled. Each rank of fairseq2 takes every
eighth of them, as Omnilingual's SslTask deals them. It stops with the rank that ends first, as in training.

A batch of Lhotse can be larger than its `max_duration`, because the cut that comes last may be the longest. So the
largest batch of each run is measured. `max_duration` is the largest of 1, 0.95, 0.9 and 0.8 of the budget that keeps
within the budget; beside it there is a run with the sizes of batches fixed for each bucket. Both are run with a buffer
of 20,000 cuts, which is Lhotse's default, and with one of all cuts. The row is the run that pads least.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.batching_figures import figures
from benchmarks.batching_peers import (
    RANKS,
    Epoch,
    epoch_of_ours,
    epochs,
    strategies_of_fairseq2,
    strategies_of_lhotse,
)
from benchmarks.batching_windows import RATE, DataSet, data_sets
from benchmarks.peers.environments import PeerError, python_of

COLUMNS = (
    "padding",
    "waiting",
    "both",
    "steps of a rank",
    "batches",
    "windows left out",
    "largest batch / budget",
    "moved",
    "neighbours",
    "windows/s",
)


def main(arguments: list[str]) -> None:
    given = _parsed(arguments)
    peers = {"fairseq2": given.fairseq2, "Lhotse": given.lhotse}
    there = {name: python for name, python in peers.items() if python.is_file()}
    with tempfile.TemporaryDirectory() as work:
        for data in data_sets(given.archive, Path(work)):
            _print_table(data, _epochs(data, there))
    for name in sorted(peers.keys() - there):
        print(f"The rows of {name} are left out: there is no {peers[name]}; `make bench-peers` makes it.")


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batching", description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path, help="a tar archive of RTTM files")
    for name in ("fairseq2", "lhotse"):
        parser.add_argument(f"--{name}", type=Path, default=python_of(name), help="the Python of its environment")
    return parser.parse_args(arguments)


def _epochs(data: DataSet, peers: dict[str, Path]) -> Iterator[Epoch]:
    if "fairseq2" in peers:
        yield from epochs(data, peers["fairseq2"], strategies_of_fairseq2())
    if "Lhotse" in peers:
        for strategy in strategies_of_lhotse(data, peers["Lhotse"]):
            yield from epochs(data, peers["Lhotse"], [strategy])
    yield epoch_of_ours(data)


def _print_table(data: DataSet, epochs: Iterator[Epoch]) -> None:
    windows, hours = len(data.lengths), data.lengths.sum() / RATE / 3600
    print(f"\n### {data.name}\n")
    print(f"{windows:,} windows, {hours:,.0f} h, {RANKS} ranks, batches of {data.budget // RATE:,} s with padding.\n")
    print(f"| | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
    for epoch in epochs:
        print(f"| {epoch.strategy} | {' | '.join(_cells(data, epoch))} |", flush=True)


def _cells(data: DataSet, epoch: Epoch) -> Iterator[str]:
    found = figures(data.lengths, epoch.batches)
    yield f"{found.padding:.2%}"
    yield f"{found.waiting:.2%}"
    yield f"{found.idle:.2%}"
    equal = found.least_steps == found.most_steps
    yield f"{found.least_steps:,}" if equal else f"{found.least_steps:,} to {found.most_steps:,}"
    yield f"{found.batches:,}"
    yield f"{found.left_out:,}" + (f", {found.repeated:,} twice" if found.repeated else "")
    yield f"{found.largest / data.budget:.3f}"
    yield f"{found.moved:.3f}"
    yield f"{found.neighbours:.2f} ± {found.neighbours_error:.2f}"
    yield f"{len(data.lengths) / epoch.seconds:,.0f}"


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (PeerError, ValueError, OSError) as error:
        sys.exit(f"python -m benchmarks.batching: {error}")
