"""What it costs to show how far a run is: the CPU time of `alm-beam windows` on a terminal, with and without.

    python -m benchmarks.progress [RECORDINGS [ROUNDS]]

Both take turns, in one process each, so what else the machine does counts little.
"""

import os
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from alm_beam.sample import write_sample
from benchmarks.floor import REPO

RECORDINGS, ROUNDS = 100, 5
_REPEAT = 30


class Row(NamedTuple):
    """A measurement: CPU seconds of a whole run, medians over the rounds.

    Attributes:
        recordings: how many the run reads.
        without: with `--progress=false`.
        shown: with a bar.
        ratio: the second to the first, the median of the ratios of the rounds.
        spread: between the least and the greatest of these ratios.
    """

    recordings: int
    without: float
    shown: float
    ratio: float
    spread: float


def cpu_seconds(source: Path, output: Path, *flags: str) -> float:
    """The CPU time of a run whose stderr is a terminal, of all its processes."""
    reader, terminal = pty.openpty()
    command = [sys.executable, "-m", "alm_beam", "windows", f"--input={source}", f"--output={output}", "--overwrite"]
    job = subprocess.Popen(
        [*command, f"--repeat_factor={_REPEAT}", "--direct_num_workers=1", *flags],
        cwd=REPO,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    )
    os.close(terminal)
    drain = threading.Thread(target=_drain, args=(reader,))
    drain.start()
    _, status, used = os.wait4(job.pid, 0)
    drain.join()
    os.close(reader)
    if status:
        raise RuntimeError(f"the run ended with status {status}")
    return used.ru_utime + used.ru_stime


def _drain(reader: int) -> None:
    try:
        while os.read(reader, 1 << 16):
            pass
    except OSError:  # nobody has the terminal any more
        pass


def rows(recordings: int = RECORDINGS, rounds: int = ROUNDS) -> Iterator[Row]:
    """The measurement.

    Args:
        recordings: how many there are in the input, which is read 30 times.
        rounds: how often each of the two runs.
    """
    with tempfile.TemporaryDirectory() as name:
        source, output = Path(name, "in"), Path(name, "out")
        write_sample(str(source), recordings=recordings, seed=5)
        turns = [(cpu_seconds(source, output, "--progress=false"), cpu_seconds(source, output)) for _ in range(rounds)]
    ratios = [shown / without for without, shown in turns]
    without, shown = map(statistics.median, zip(*turns))
    yield Row(recordings * _REPEAT, without, shown, statistics.median(ratios), max(ratios) - min(ratios))


def print_rows(found: Iterable[Row]) -> Iterator[Row]:
    """The rows again, each printed."""
    print("\nHow far a run is, shown on a terminal. CPU seconds of the whole run. Ratio: to --progress=false.")
    print(f"{'recordings':>12}{'without':>10}{'shown':>10}{'ratio':>9}{'spread':>9}")
    for row in found:
        print(f"{row.recordings:>12,}{row.without:>10.2f}{row.shown:>10.2f}{row.ratio:>9.4f}{row.spread:>9.4f}")
        yield row


if __name__ == "__main__":
    list(print_rows(rows(*map(int, sys.argv[1:]))))
