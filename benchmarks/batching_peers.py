"""What makes batches of windows: ours here, and the others each in a process of an environment that has them.

A strategy is a script that runs there, with options for it. They are chosen once and can run again and again.

A process gets one JSON object on stdin: `lengths` (samples, of each window in the order of the files), `rate` (Hz),
`longest` (samples that are admitted), `budget` (samples of a batch, padding included), `seed`, `world_size`, `ranks`
(the ranks to make batches for) and `runs`, a list of options. It writes a list to stdout, for each run `batches` (for
each of the ranks, for each batch the numbers of its windows) and `seconds` (of one rank, the median).
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from alm_beam.loader import Partition, WindowBatches
from benchmarks.batching_figures import Batches, figures
from benchmarks.batching_windows import RATE, DataSet
from benchmarks.peers.environments import PeerError, json_of

RANKS = 8
SEED = 0

LHOTSE_BUCKETS = (30, 60)
"""30 is what Lhotse's users take most. Its default of 10 pads more."""

LHOTSE_BUFFER = 20_000
"""Lhotse's default."""

LHOTSE_FACTORS = (1.0, 0.95, 0.9, 0.8)
"""Of the budget, what is tried as `max_duration`: the cut that comes last makes a batch of Lhotse larger than that."""


class Strategy(NamedTuple):
    """A way of making batches: the script that does, in this folder, and its options."""

    name: str
    script: str
    options: dict[str, Any]


class Epoch(NamedTuple):
    """An epoch of all ranks by one strategy; `seconds` is what one rank takes to find its batches."""

    strategy: str
    batches: Batches
    seconds: float


def strategies_of_fairseq2() -> list[Strategy]:
    """STATIC, and LENGTH with batch sizes as they come and with Omnilingual's multiples of 8."""
    runs: dict[str, dict[str, Any]] = {
        "STATIC (fairseq2)": {"strategy": "STATIC"},
        "LENGTH (fairseq2)": {"strategy": "LENGTH", "num_seqs_multiple_of": 1},
        "LENGTH (fairseq2), multiples of 8": {"strategy": "LENGTH", "num_seqs_multiple_of": 8},
    }
    return [Strategy(name, "batching_fairseq2.py", options) for name, options in runs.items()]


def strategies_of_lhotse(data: DataSet, python: Path, counts: Sequence[int] = LHOTSE_BUCKETS) -> Iterator[Strategy]:
    """For each number of buckets the options that pad least, of those whose batches are all within the budget."""
    for buckets in counts:
        runs = [
            {"num_buckets": buckets, "buffer_size": buffer, "max_durations": durations}
            for buffer in sorted({LHOTSE_BUFFER, max(LHOTSE_BUFFER, len(data.lengths))})
            for durations in ([factor * data.budget / RATE for factor in LHOTSE_FACTORS], [None])
        ]
        tried = _answers(python, "batching_lhotse.py", data, runs, [0])
        found = [{**run, "max_durations": [answer["max_duration"]]} for run, answer in zip(runs, tried)]
        paddings = [figures(data.lengths, answer["batches"]).padding for answer in tried]
        yield _least_padded(data, python, [found[at] for at in sorted(range(len(found)), key=paddings.__getitem__)])


def _least_padded(data: DataSet, python: Path, runs: list[dict[str, Any]]) -> Strategy:
    """The first of the runs that keeps within the budget on all ranks."""
    for run in runs:
        [duration] = run["max_durations"]
        held = "sizes fixed" if duration is None else f"max_duration={duration:.0f}"
        buffer = "" if run["buffer_size"] == LHOTSE_BUFFER else ", buffer of all"
        name = f"Lhotse, {run['num_buckets']} buckets ({held}{buffer})"
        strategy = Strategy(name, "batching_lhotse.py", run)
        [epoch] = epochs(data, python, [strategy])
        if figures(data.lengths, epoch.batches).largest <= data.budget:
            return strategy
    raise PeerError(f"{data.name}: Lhotse keeps within the budget with none of {runs}")


def epochs(data: DataSet, python: Path, strategies: Sequence[Strategy]) -> Iterator[Epoch]:
    """An epoch by each of the strategies, which have one script, in one process of the environment."""
    [script] = {strategy.script for strategy in strategies}
    found = _answers(python, script, data, [strategy.options for strategy in strategies], range(RANKS))
    for strategy, answer in zip(strategies, found):
        yield Epoch(strategy.name, answer["batches"], answer["seconds"])


def epoch_of_ours(data: DataSet) -> Epoch:
    """`WindowBatches` as it is without further options, on the indexes of the same windows."""
    batches, seconds = [], []
    for rank in range(RANKS):
        begin = time.perf_counter()
        planned = WindowBatches(
            [str(folder) for folder in data.folders],
            max_num_elements=data.budget,
            sample_rate=RATE,
            seed=SEED,
            partition=Partition(rank, RANKS),
        )
        tokens = list(planned)
        seconds.append(time.perf_counter() - begin)
        batches.append([[int(data.numbers[token.source][token.row]) for token in batch] for batch in tokens])
    return Epoch("WindowBatches (ours)", batches, statistics.median(seconds))


def _answers(
    python: Path, script: str, data: DataSet, runs: list[dict[str, Any]], ranks: range | list[int]
) -> list[dict[str, Any]]:
    request = {
        "lengths": data.lengths.tolist(),
        "rate": RATE,
        "longest": data.longest,
        "budget": data.budget,
        "seed": SEED,
        "world_size": RANKS,
        "ranks": list(ranks),
        "runs": runs,
    }
    found: list[dict[str, Any]] = json_of([str(python), str(Path(__file__).with_name(script))], request)
    return found
