"""The whole job on 1,000, 10,000, 100,000, ... recordings: time, memory and disk, without the entries.

    python -m benchmarks.growth [LARGEST [FOLDER [PICTURE]]]

LARGEST is 100,000 unless given. What 1,000,000 recordings take of the disk, below FOLDER (else the temporary folder),
is told after the largest run that has fewer. The input is the reference's sample, each recording under a name of its
own.
Prints a table, and writes the figures as JSON (growth.json) and a plot (growth.svg) into the current folder, or as
PICTURE and beside it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import orjson

from benchmarks.floor import REPO
from benchmarks.job import five_recordings

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SMALLEST = 1000
LARGEST = 100_000
SAMPLED_SECONDS = 0.25


class Row(NamedTuple):
    """One run.

    Attributes:
        recordings: that it read.
        seconds: of the clock.
        cpu_seconds: of all of its processes.
        largest_process: the greatest resident memory of any process, bytes.
        all_processes: the most that all processes held together at a time, shared pages counted once (PSS), bytes.
        disk: the most that input, output and temporary folders held at a time, bytes.
        bytes_in: of the input.
        bytes_out: of the files that it left.
    """

    recordings: int
    seconds: float
    cpu_seconds: float
    largest_process: int
    all_processes: int
    disk: int
    bytes_in: int
    bytes_out: int

    @property
    def speed(self) -> float:
        """Recordings a second."""
        return self.recordings / self.seconds


def rows(largest: int = LARGEST, folder: str | None = None) -> Iterator[Row]:
    """The measurements, ten times as many recordings in each as in the one before."""
    recordings = SMALLEST
    while recordings <= largest:
        with tempfile.TemporaryDirectory(dir=folder) as made:
            yield measured(Path(made), recordings)
        recordings *= 10


def measured(folder: Path, recordings: int) -> Row:
    """Runs the job once, and looks at its processes and files meanwhile."""
    source, out, temporary = folder / "in.jsonl", folder / "out", folder / "tmp"
    _write_recordings(source, recordings)
    temporary.mkdir()
    command = [sys.executable, "-m", "alm_beam", "windows", f"--input={source}", f"--output={out}", "--no_entries"]
    begin = time.perf_counter()
    with (folder / "printed").open("wb") as printed:
        job = subprocess.Popen(
            command,
            cwd=REPO,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
    largest = together = disk = 0
    while not (ended := os.wait4(job.pid, os.WNOHANG))[0]:
        held = [_memory(process) for process in _session(job.pid)]
        largest = max(largest, *(peak for peak, _ in held), 0)
        together = max(together, sum(share for _, share in held))
        disk = max(disk, _bytes_below(folder))
        time.sleep(SAMPLED_SECONDS)
    seconds = time.perf_counter() - begin
    _, status, used = ended
    job.returncode = os.waitstatus_to_exitcode(status)
    if job.returncode:
        raise subprocess.CalledProcessError(job.returncode, command, (folder / "printed").read_text())
    return Row(
        recordings=recordings,
        seconds=seconds,
        cpu_seconds=used.ru_utime + used.ru_stime,
        largest_process=largest,
        all_processes=together,
        disk=disk,
        bytes_in=source.stat().st_size,
        bytes_out=_bytes_below(out),
    )


def _write_recordings(path: Path, count: int) -> None:
    """Writes so many lines, each of another recording."""
    entries = [orjson.loads(line) for line in five_recordings().splitlines()]
    names = [str(entry["audio_filepath"]) for entry in entries]
    with path.open("wb") as file:
        for number in range(count):
            entry, name = entries[number % len(entries)], names[number % len(names)]
            of_its_own = {"audio_filepath": f"/made/{number}{name}"}
            file.write(orjson.dumps(entry | of_its_own, option=orjson.OPT_APPEND_NEWLINE))


def _session(leader: int) -> Iterator[int]:
    """The processes of a session."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            after_name = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(after_name[3]) == leader:
            yield int(name)


def _memory(process: int) -> tuple[int, int]:
    """The greatest resident memory of a process so far, and its share (PSS) of what is resident now, bytes."""
    try:
        peak = Path(f"/proc/{process}/status").read_text().partition("VmHWM:")[2].split()
        share = Path(f"/proc/{process}/smaps_rollup").read_text().partition("\nPss:")[2].split()
    except OSError:
        return 0, 0
    return (int(peak[0]) if peak else 0) << 10, (int(share[0]) if share else 0) << 10


def _bytes_below(folder: Path) -> int:
    """Of the disk, below a folder; files that go meanwhile count nothing."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                continue
    return total


def print_rows(found: Iterable[Row]) -> Iterator[Row]:
    """Prints a line for each row, and gives the rows again."""
    print("\nThe whole job as its input grows. Peak: of the largest process, and of all together.")
    print(
        f"{'recordings':>12}{'seconds':>9}{'CPU s':>9}{'recs/s':>9}{'peak MB':>9}{'all MB':>8}{'disk MB':>10}"
        f"{'MB in':>9}{'MB out':>10}"
    )
    for row in found:
        print(
            f"{row.recordings:>12,}{row.seconds:>9.1f}{row.cpu_seconds:>9.1f}{row.speed:>9,.0f}"
            f"{row.largest_process / 1e6:>9.0f}{row.all_processes / 1e6:>8.0f}{row.disk / 1e6:>10,.0f}"
            f"{row.bytes_in / 1e6:>9,.0f}{row.bytes_out / 1e6:>10,.0f}",
            flush=True,
        )
        yield row


def print_estimate(before: Row, last: Row, recordings: int = 1_000_000) -> None:
    """What so many recordings would take, if what was added from one run to the next is added on."""
    more = (recordings - last.recordings) / (last.recordings - before.recordings)
    seconds, disk = (
        end + more * (end - begin) for begin, end in ((before.seconds, last.seconds), (before.disk, last.disk))
    )
    print(f"{recordings:,} recordings would take about {seconds:,.0f} s and {disk / 1e9:,.1f} GB of disk")


def plot(found: Sequence[Row], picture: Path) -> None:
    """Draws time and memory against the number of recordings."""
    recordings = [row.recordings for row in found]
    matplotlib.rcParams |= {"svg.hashsalt": "alm_beam", "svg.fonttype": "none"}  # the same figures give the same file
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    left.plot(recordings, [row.seconds for row in found], marker="o", label="by the clock")
    left.plot(recordings, [row.cpu_seconds for row in found], marker="s", label="of all processes' CPUs")
    left.set(xscale="log", yscale="log", xlabel="recordings", ylabel="time, s", title="Time")
    right.plot(recordings, [row.largest_process / 1e6 for row in found], marker="o", label="the largest process")
    right.plot(recordings, [row.all_processes / 1e6 for row in found], marker="s", label="all processes together")
    right.set(xscale="log", xlabel="recordings", ylabel="peak memory, MB", title="Memory")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.tight_layout()
    figure.savefig(picture, metadata={"Date": None} if picture.suffix == ".svg" else None)


def main(largest: int, folder: str | None, picture: Path) -> None:
    found = list(print_rows(rows(largest, folder)))
    if len(found) > 1 and largest < 1_000_000:
        print_estimate(*found[-2:])
    picture.with_suffix(".json").write_text(json.dumps([row._asdict() for row in found], indent=2) + "\n")
    plot(found, picture)
    print(f"{picture.with_suffix('.json')}, {picture}")


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv[1:]))
    main(int(arguments.get(0, LARGEST)), arguments.get(1), Path(arguments.get(2, "growth.svg")))
