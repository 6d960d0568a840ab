"""What it costs to show how far a run is: the CPU time of `alm-beam windows` on a terminal, with and without.

    python -m benchmarks.progress [RECORDINGS [ROUNDS]]

Both take turns, in one process each, so what else the machine does counts little. What is told is the median ratio of
the turns.
"""

import os
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from alm_beam.sample import write_sample
from benchmarks.floor import REPO

RECORDINGS, ROUNDS = 100, 5
_REPEAT = 30


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


def main(recordings: int = RECORDINGS, rounds: int = ROUNDS) -> None:
    """Prints the ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sample(str(folder / "in"), recordings=recordings, seed=5)
        ratios = []
        for _ in range(rounds):
            without = cpu_seconds(folder / "in", folder / "out", "--progress=false")
            shown = cpu_seconds(folder / "in", folder / "out")
            ratios.append(shown / without)
            print(f"{recordings * _REPEAT:,} recordings: {without:.2f} s without, {shown:.2f} s shown", flush=True)
    print(f"shown / without: {statistics.median(ratios):.4f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
