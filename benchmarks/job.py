"""The whole job against a Beam job that copies a file of the output's size, on the same runner, in turns."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from alm_beam.sample import write_sample

JOB = """
import sys
from alm_beam.cli import main
code = main(["windows", *sys.argv[1:]])
status = open("/proc/self/status").read()
print(status.partition("VmHWM:")[2].split()[0])
sys.exit(code)
"""

COPY = """
import sys
import apache_beam as beam
from apache_beam.coders import BytesCoder
from alm_beam.runners.local import LocalRunner
with beam.Pipeline(runner=LocalRunner()) as pipeline:
    lines = pipeline | beam.io.ReadFromText(sys.argv[1], coder=BytesCoder())
    lines | beam.io.WriteToText(sys.argv[2], coder=BytesCoder())
"""


class Row(NamedTuple):
    """A measurement: medians of wall seconds; the greatest resident memory, in bytes."""

    recordings: int
    bytes_in: int
    bytes_out: int
    job: float
    copy: float
    ratio: float
    spread: float
    peak_memory: int


def _run(code: str, *arguments: str) -> tuple[float, str]:
    """Wall seconds, and the last line that it printed."""
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    return time.perf_counter() - begin, (done.stdout.splitlines() or [""])[-1]


def measured(recordings: int, rounds: int) -> Row:
    """Runs the job and the copy in turns, on freshly made manifests."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.jsonl"), Path(folder, "out")
        write_sample(str(source), recordings=recordings, seed=1)
        jobs: list[float] = []
        copies: list[float] = []
        peak = 0
        for _ in range(rounds):
            seconds, memory = _run(JOB, f"--input={source}", f"--output={out}", "--overwrite")
            jobs.append(seconds)
            peak = max(peak, int(memory) * 1024)
            copies.append(_run(COPY, f"{out}/alm_output-*", f"{folder}/copy/lines")[0])
        ratios = [one / other for one, other in zip(jobs, copies)]
        written = sum(shard.stat().st_size for shard in out.glob("alm_output-*"))
        return Row(
            recordings,
            source.stat().st_size,
            written,
            statistics.median(jobs),
            statistics.median(copies),
            statistics.median(ratios),
            max(ratios) - min(ratios),
            peak,
        )
