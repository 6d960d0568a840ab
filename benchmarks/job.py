"""The whole job against a Beam job that copies a file of the output's size, in turns.

Both run without flags: the job on as many cores as it chooses, the copy on Beam's local runner as it is.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.floor import REPO, SHARED

JOB = """
import atexit, resource
from alm_beam.cli.process import run_process

@atexit.register
def print_peak():
    own = int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
    print(max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))

run_process("alm_beam.cli.windows")
"""

COPY = """
import sys
import apache_beam as beam
from apache_beam.coders import BytesCoder
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
with beam.Pipeline(runner=FnApiRunner()) as pipeline:
    lines = pipeline | beam.io.ReadFromText(sys.argv[1], coder=BytesCoder())
    lines | beam.io.WriteToText(sys.argv[2], coder=BytesCoder())
"""


class Row(NamedTuple):
    """A measurement: medians of wall seconds; the greatest resident memory of any of the job's processes, in bytes."""

    name: str
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


def measured(name: str, source: Path, repeat: int, *flags: str, rounds: int = 3) -> Row:
    """Runs the job and the copy in turns."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        jobs: list[float] = []
        copies: list[float] = []
        peak = 0
        for _ in range(rounds):
            named = (f"--input={source}", f"--repeat_factor={repeat}", f"--output={out}", "--overwrite")
            seconds, memory = _run(JOB, *named, *flags)
            jobs.append(seconds)
            peak = max(peak, int(memory) * 1024)
            copies.append(_run(COPY, f"{out}/*-of-*", f"{folder}/copy/lines")[0])
        ratios = [one / other for one, other in zip(jobs, copies)]
        written = sum(shard.stat().st_size for shard in out.glob("*-of-*"))
        with source.open("rb") as lines:
            recordings = repeat * sum(1 for _ in lines)
        return Row(
            name,
            recordings,
            repeat * source.stat().st_size,
            written,
            statistics.median(jobs),
            statistics.median(copies),
            statistics.median(ratios),
            max(ratios) - min(ratios),
            peak,
        )


def five_recordings() -> bytes:
    """The reference's sample where it is at hand, else the beginning of ours."""
    fetched = SHARED / "fetched" / "sample_input.jsonl"
    if fetched.is_file():
        return fetched.read_bytes()
    shipped = REPO / "alm_beam" / "sample_data" / "conversations.jsonl"
    return b"".join(shipped.read_bytes().splitlines(keepends=True)[:5])


def rows() -> Iterator[Row]:
    """The measurements of the job: of growing files, and of the largest read in other ways."""
    lines = five_recordings()
    with tempfile.TemporaryDirectory() as folder:
        source, once = Path(folder, "in.jsonl"), Path(folder, "five.jsonl")
        once.write_bytes(lines)
        for repeat in (1, 200, 800, 2000):
            source.write_bytes(lines * repeat)
            yield measured("one file", source, 1)
        yield measured("five recordings, --repeat_factor", once, 2000)
        yield measured("one file, --no_candidate_windows", source, 1, "--no_candidate_windows")
        yield measured("one file, --no_cuts", source, 1, "--no_cuts")
        yield measured("one file, --direct_num_workers=1", source, 1, "--direct_num_workers=1")
