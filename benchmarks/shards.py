"""The whole job that slices audio, `alm-beam shards`, against a plain loop of soundfile on one core.

The loop reads each recording once, as integers, and writes each window once, as FLAC, into a file of its own. It runs
in a process that has imported all it needs. The job is a process of its own, on one core and on two; what it takes for
one recording of two seconds, as many shards as cores, is taken off as its start-up. All take turns. Beside the seconds
of the clock, in which all that the machine does counts, there is the CPU time of all processes of the job.

    python -m benchmarks.shards [SECONDS [ROUNDS]]
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import soundfile

from benchmarks.floor import REPO
from benchmarks.slices import RATE, RECORDINGS, SECONDS, WINDOW_SECONDS, spans_of, write_recording

ROUNDS = 5
SHORT_SECONDS, SHORT_ROUNDS = 300, 3
"""What `make bench` does."""

_FLAGS = ("--format=shar", "--audio_format=flac")
_ONE_CORE = ("--direct_num_workers=1",)


class Seconds(NamedTuple):
    """What something took: of the clock, and of all cores."""

    wall: float
    cpu: float


class Row(NamedTuple):
    """The job on so many cores, in seconds, without its start-up; medians of the rounds.

    Attributes:
        name: of the recordings.
        windows: how many.
        cores: that the job may use.
        job: seconds of the clock.
        start: that were taken off.
        plain: of the loop, on one core.
        speed: of the job in multiples of the loop's, the median of the rounds' ratios.
        spread: what lies between their quarters.
        work: the loop's CPU time in multiples of that of the job's processes together.
        peak_memory: the most of any process of the job, bytes.
    """

    name: str
    windows: int
    cores: int
    job: float
    start: float
    plain: float
    speed: float
    spread: float
    work: float
    peak_memory: int


def rows(seconds: int = SHORT_SECONDS, rounds: int = SHORT_ROUNDS) -> Iterator[Row]:
    """The measurements of FLAC and WAV, of windows that overlap by half and that do not, on one core and on two.

    Args:
        seconds: of each of the recordings.
        rounds: at least two.
    """
    cores = sorted(os.sched_getaffinity(0))[:2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_recording(folder, "wav", RECORDINGS, 2)
        tiny = write_cuts(folder / "tiny.jsonl", [folder / f"{RECORDINGS}.wav"], 2, 1, 0)
        for ending in ("flac", "wav"):
            paths = [Path(write_recording(folder, ending, number, seconds)) for number in range(RECORDINGS)]
            for overlap in (50, 0):
                cuts = write_cuts(folder / "cuts.jsonl", paths, seconds, WINDOW_SECONDS, overlap)
                yield from _rows(f"{ending}, overlap {overlap} %", cuts, tiny, folder, cores, rounds)


def _rows(name: str, cuts: Path, tiny: Path, folder: Path, cores: list[int], rounds: int) -> Iterator[Row]:
    plain: list[Seconds] = []
    jobs: dict[int, list[tuple[Seconds, Seconds]]] = {count: [] for count in range(1, len(cores) + 1)}
    peak = 0
    with ProcessPoolExecutor(1, get_context("spawn"), os.sched_setaffinity, (0, cores[:1])) as process:
        for _ in range(rounds):
            os.sync()
            plain.append(process.submit(_by_plain_loop, cuts, folder / "plain").result())
            for count, found in jobs.items():
                workers = _ONE_CORE if count == 1 else ()
                start, _ = run_job(tiny, folder / "out", [*workers, "--windows_per_shard=1"], cores[:count])
                whole, memory = run_job(cuts, folder / "out", workers, cores[:count])
                found.append((start, whole))
                peak = max(peak, memory)
                if len(plain) == 1:
                    windows = _same_windows(folder / "out", folder / "plain")
    for count, found in jobs.items():
        start = Seconds(*(statistics.median(each) for each in zip(*(start for start, _ in found))))
        took = [Seconds(whole.wall - start.wall, whole.cpu - start.cpu) for _, whole in found]
        quarter, speed, three_quarters = statistics.quantiles(
            [loop.wall / job.wall for loop, job in zip(plain, took)], n=4
        )
        yield Row(
            name,
            windows,
            count,
            statistics.median(job.wall for job in took),
            start.wall,
            statistics.median(loop.wall for loop in plain),
            speed,
            three_quarters - quarter,
            statistics.median(loop.cpu / job.cpu for loop, job in zip(plain, took)),
            peak,
        )


def write_cuts(path: Path, recordings: Sequence[Path], seconds: int, window_seconds: int, overlap: int) -> Path:
    """A file of cuts as a run makes them of conversations, with a supervision for each four seconds."""
    with path.open("w") as file:
        for each in recordings:
            source = {"type": "file", "channels": [0], "source": str(each)}
            recording = {"id": each.stem, "sources": [source], "sampling_rate": RATE, "num_samples": seconds * RATE}
            recording |= {"duration": float(seconds), "channel_ids": [0]}
            for span in spans_of(seconds, overlap, window_seconds):
                name = f"{each.stem}-{span.start}"
                cut = {"id": name, "start": span.start, "duration": span.duration, "channel": 0, "type": "MonoCut"}
                said = {"recording_id": each.stem, "channel": 0, "text": "good morning, how are you", "speaker": "anna"}
                turns = [
                    said | {"id": f"{name}-{start}", "start": start, "duration": 1}
                    for start in range(0, window_seconds, 4)
                ]
                cut |= {"recording": recording, "supervisions": turns, "custom": {"source": "made"}}
                file.write(json.dumps(cut) + "\n")
    return path


def run_job(cuts: Path, out: Path, flags: Sequence[str], cores: Sequence[int]) -> tuple[Seconds, int]:
    """Runs the job: what it took, and the most memory of any of its processes, bytes."""
    shutil.rmtree(out, ignore_errors=True)
    os.sync()
    command = [sys.executable, "pipelines/build_shards.py", f"--input={cuts}", f"--output={out}", *_FLAGS, *flags]
    begin = time.perf_counter()
    job = subprocess.Popen(
        command,
        cwd=REPO,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    _, status, used = os.wait4(job.pid, 0)
    wall = time.perf_counter() - begin
    job.returncode = os.waitstatus_to_exitcode(status)
    if job.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {job.returncode}")
    return Seconds(wall, used.ru_utime + used.ru_stime), used.ru_maxrss * 1024


def _by_plain_loop(cuts: Path, out: Path) -> Seconds:
    """Decodes each recording at once, to integers, and writes each window into a file of its own."""
    shutil.rmtree(out, ignore_errors=True)
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    out.mkdir()
    by_path: dict[str, list[dict[str, Any]]] = {}
    with cuts.open() as file:
        for line in file:
            cut = json.loads(line)
            by_path.setdefault(cut["recording"]["sources"][0]["source"], []).append(cut)
    for path, windows in by_path.items():
        samples, rate = soundfile.read(path, dtype="int16")
        for cut in windows:
            first = round(cut["start"] * rate)
            part = samples[first : first + round(cut["duration"] * rate)]
            soundfile.write(out / f"{cut['id']}.flac", part, rate, "PCM_16")
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    return Seconds(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _same_windows(out: Path, plain: Path) -> int:
    """The number of windows, whose FLAC is the same from both.

    Raises:
        AssertionError: it is not.
    """
    expected = {path.name: path.read_bytes() for path in plain.iterdir()}
    for path in sorted((out / "shar").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".flac"):
                    file = tar.extractfile(member)
                    assert file is not None
                    assert file.read() == expected.pop(member.name), member.name
    assert not expected, sorted(expected)
    return len(list(plain.iterdir()))


def print_rows(found: Iterator[Row]) -> Iterator[Row]:
    """Prints a line for each row, and gives the rows again."""
    print("\nThe whole job that slices audio, without its start-up. Speed: in multiples of a plain loop of soundfile.")
    print(
        f"{'':20}{'cores':>6}{'windows':>9}{'seconds':>9}{'start s':>9}{'plain s':>9}{'speed':>7}{'spread':>8}"
        f"{'by CPU time':>13}{'peak MB':>9}"
    )
    for row in found:
        print(
            f"{row.name:20}{row.cores:>6}{row.windows:>9}{row.job:>9.2f}{row.start:>9.2f}{row.plain:>9.2f}"
            f"{row.speed:>7.2f}{row.spread:>8.2f}{row.work:>13.2f}{row.peak_memory / 1e6:>9.0f}",
            flush=True,
        )
        yield row


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:]]
    for _ in print_rows(rows(*numbers) if numbers else rows(SECONDS, ROUNDS)):
        pass
