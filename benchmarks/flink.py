"""`make bench-flink`: the job on a Flink of 1, 2 and 4 slots, and on this machine's own runner, in turns."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.floor import REPO
from benchmarks.job import five_recordings
from tests.clusters import flink

_RECORDINGS = (5, 30_000)
_ROUNDS = 3


class Row(NamedTuple):
    """Medians of wall seconds.

    Attributes:
        slots: of Flink, in two TaskManagers if more than one; 0: without Flink.
        few: seconds for 5 recordings.
        many: for 30,000.
        each: milliseconds that one more recording takes.
        ratio: of that to the local runner's, of the same round.
        spread: of the ratio.
    """

    slots: int
    few: float
    many: float
    each: float
    ratio: float
    spread: float


def _seconds(source: Path, out: Path, flags: Sequence[str]) -> float:
    begin = time.perf_counter()
    job = [sys.executable, "pipelines/build_windows.py", f"--input={source}", f"--output={out}", "--overwrite", *flags]
    done = subprocess.run(job, check=False, capture_output=True, text=True, cwd=REPO)
    if done.returncode:
        raise RuntimeError(f"{' '.join(job)}: {done.stderr}")
    return time.perf_counter() - begin


def rows() -> Iterator[Row]:
    """One for the local runner and each number of slots; all are measured once in a round."""
    few, many = _RECORDINGS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = [folder / "few.jsonl", folder / "many.jsonl"]
        for source, recordings in zip(sources, _RECORDINGS):
            source.write_bytes(five_recordings() * (recordings // 5))
        seconds: dict[int, list[list[float]]] = {0: [], 1: [], 2: [], 4: []}
        for _ in range(_ROUNDS):
            for slots, measured in seconds.items():
                if not slots:
                    measured.append([_seconds(source, folder / "out", []) for source in sources])
                    continue
                managers = min(slots, 2)
                with flink.running(folder / "cluster", task_managers=managers, slots=slots // managers) as cluster:
                    flags = [*cluster.flags(slots), f"--sdk_worker_parallelism={slots // managers}"]
                    _seconds(sources[0], folder / "out", flags)  # the first job loads Flink's classes
                    measured.append([_seconds(source, folder / "out", flags) for source in sources])
    for slots, measured in seconds.items():
        ratios = [(b - a) / (d - c) for (a, b), (c, d) in zip(measured, seconds[0])]
        first, second = (statistics.median(each[size] for each in measured) for size in (0, 1))
        each = statistics.median(1e3 * (b - a) / (many - few) for a, b in measured)
        yield Row(slots, first, second, each, statistics.median(ratios), max(ratios) - min(ratios))


def main(out: Path) -> None:
    print("slots  5 recordings, s  30,000 recordings, s  ms each  to the local runner  spread")
    table = []
    for row in rows():
        print(
            f"{row.slots or 'local':>5}{row.few:>17.2f}{row.many:>22.2f}{row.each:>9.3f}{row.ratio:>21.2f}"
            f"{row.spread:>8.2f}",
            flush=True,
        )
        table.append(row._asdict())
    out.mkdir(parents=True, exist_ok=True)
    (out / "flink.json").write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench_output"))
