"""NeMo Curator's two ALM stages without Ray against the whole of `alm-beam windows --no_cuts`, in CPU seconds.

Theirs is a loop that reads a line, runs both stages and writes a line, without imports. Ours is a whole process of one
worker, from its start to its exit, with Beam, statistics and the report.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.job import five_recordings
from benchmarks.peers.environments import json_of, python_of
from benchmarks.peers.rows import CPU_SECONDS, Row, measured, row_of
from benchmarks.peers.windows import Manifest, spent_by, write_ami_manifest

_REPEATED = 2_000


def rows(archive: Path | None, rounds: int, work: Path) -> Iterator[Row]:
    """A row for five recordings over and over, and one for an archive's if there is one.

    Args:
        archive: a tar archive of RTTM files.
        rounds: each of them runs all manifests, both ways.
        work: folder, empty.

    Raises:
        PeerError: a process failed.
        OSError: the archive is missing.
        ValueError: it is no archive of RTTM files.
    """
    few = work / "five.jsonl"
    few.write_bytes(five_recordings())
    manifests = list(_manifests(archive, few, work))
    theirs: dict[str, list[float]] = {manifest.name: [] for manifest in manifests}
    ours: dict[str, list[float]] = {manifest.name: [] for manifest in manifests}
    started: list[float] = []
    for _ in range(rounds):
        started.append(_alm_beam(few, work / "windows"))
        for name, path in manifests:
            theirs[name].append(_curator(path, work / "entries.jsonl"))
            ours[name].append(_alm_beam(path, work / "windows"))
    start = measured(started).median
    for name, _ in manifests:
        without = measured([own - start for own in ours[name]]).median
        speed = measured(theirs[name]).median / without
        compared = f"ours without start-up ({start:.2g} s): {without:.3g} s, speed {speed:.3g}"
        yield row_of(name, "NeMo Curator's two stages without Ray", CPU_SECONDS, theirs[name], ours[name], compared)


def _manifests(archive: Path | None, few: Path, work: Path) -> Iterator[Manifest]:
    lines, repeated = few.read_bytes(), work / "repeated.jsonl"
    repeated.write_bytes(lines * _REPEATED)
    count = len(lines.splitlines()) * _REPEATED
    yield Manifest(f"{count:,} recordings, five over and over", repeated)
    if archive is not None:
        count = write_ami_manifest(archive, work / "ami.jsonl")
        yield Manifest(f"{count:,} meetings of AMI", work / "ami.jsonl")


def _curator(manifest: Path, entries: Path) -> float:
    script = Path(__file__).with_name("curator_stages.py")
    seconds: float = json_of([str(python_of("curator")), str(script), str(manifest), str(entries)])
    return seconds


def _alm_beam(manifest: Path, folder: Path) -> float:
    shutil.rmtree(folder, ignore_errors=True)
    flags = [f"--input={manifest}", f"--output={folder}", "--no_cuts", "--direct_num_workers=1"]
    return spent_by([sys.executable, "-m", "alm_beam", "windows", *flags]).cpu
