"""The windows of manifests by NeMo Curator on Ray Data and by `alm-beam windows`, in wall-clock seconds of processes.

Both run with their defaults, which are the same rules. Ours writes cuts, their index and a report beside the entries.
"""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from benchmarks import ami
from benchmarks.floor import REPO
from benchmarks.peers.environments import PeerError, python_of
from benchmarks.peers.rows import Row, row_of

STARTED = 5
"""Recordings of a run that is nearly all start-up."""

_RATE, _BANDWIDTH = 16_000, 8_000
"""Hz: what the manifests of an archive of RTTM state, as RTTM states neither; no window is lost for them."""


class Manifest(NamedTuple):
    """One file, and what it is called in the table."""

    name: str
    path: Path


class Spent(NamedTuple):
    """What a process took, in seconds: by the clock, and of CPU time, user and system."""

    wall: float
    cpu: float


def rows(archive: Path | None, recordings: int, rounds: int, work: Path) -> Iterator[Row]:
    """A row for each manifest: five recordings, an archive's if there is one, and the sample's.

    Args:
        archive: a tar archive of RTTM files.
        recordings: of the sample.
        rounds: each of them runs all manifests, both ways.
        work: folder, empty.

    Raises:
        PeerError: Curator failed, or an entry differs.
        OSError: the archive is missing.
        ValueError: it is no archive of RTTM files.
    """
    manifests = list(_manifests(archive, recordings, work))
    entries, folder = work / "curator.jsonl", work / "windows"
    _curator(manifests[0].path, entries)  # not counted: this and the next compile all modules and warm the cache
    _alm_beam(manifests[0].path, folder)
    theirs: dict[str, list[float]] = {manifest.name: [] for manifest in manifests}
    ours: dict[str, list[float]] = {manifest.name: [] for manifest in manifests}
    same: dict[str, int] = {}
    for _ in range(rounds):
        for name, path in manifests:
            shutil.rmtree(folder, ignore_errors=True)
            theirs[name].append(_curator(path, entries))
            ours[name].append(_alm_beam(path, folder))
            same[name] = compare_entries(entries, sorted(folder.glob("alm_output-*.jsonl")))
    for name, _ in manifests:
        compared = f"{same[name]:,} entries, all equal"
        yield row_of(name, "NeMo Curator on Ray Data", "s", theirs[name], ours[name], compared)


def _manifests(archive: Path | None, recordings: int, work: Path) -> Iterator[Manifest]:
    for count in (STARTED, recordings):
        ami.alm_beam("sample", str(work / f"sample-{count}.jsonl"), f"--recordings={count}")
    yield Manifest(f"start-up: {STARTED} recordings", work / f"sample-{STARTED}.jsonl")
    if archive is not None:
        count = write_ami_manifest(archive, work / "ami.jsonl")
        yield Manifest(f"{count:,} meetings of AMI", work / "ami.jsonl")
    yield Manifest(f"{recordings:,} recordings of the sample", work / f"sample-{recordings}.jsonl")


def write_ami_manifest(archive: Path, path: Path) -> int:
    """Writes the manifest of an archive of RTTM files, with what Curator requires besides; the number of recordings."""
    converted = path.with_name(f"{path.stem}-converted")
    ami.write_manifests(archive, converted)
    count = 0
    with path.open("wb") as file:
        for shard in sorted(converted.glob("manifest-*.jsonl")):
            for line in shard.read_bytes().splitlines():
                file.write(orjson.dumps(_completed(line), option=orjson.OPT_APPEND_NEWLINE))
                count += 1
    return count


def _completed(line: bytes) -> dict[str, object]:
    entry = orjson.loads(line)
    segments = [{**segment, "metrics": {"bandwidth": _BANDWIDTH}} for segment in entry["segments"]]
    stated = {"audio_filepath": f"{entry['audio_item_id']}.wav", "audio_sample_rate": _RATE}
    return {**entry, **stated, "segments": segments}


def _curator(manifest: Path, entries: Path) -> float:
    script = Path(__file__).with_name("curator.py")
    return spent_by([str(python_of("curator")), str(script), str(manifest), str(entries)]).wall


def _alm_beam(manifest: Path, folder: Path) -> float:
    command = [sys.executable, "-m", "alm_beam", "windows", f"--input={manifest}", f"--output={folder}"]
    return spent_by(command).wall


def spent_by(command: Sequence[str]) -> Spent:
    """What a process takes, with those that it starts.

    Raises:
        PeerError: it fails.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    os.sync()  # so that nobody waits for what others wrote
    before, begin = _cpu_of_children(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPO, env=environment)
    spent = Spent(time.perf_counter() - begin, _cpu_of_children() - before)
    if done.returncode:
        raise PeerError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return spent


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare_entries(theirs: Path, ours: Sequence[Path]) -> int:
    """The number of entries, each of which is in both and equal by `==`, in any order; one of each is in memory.

    Args:
        theirs: file of entries, each with an `audio_filepath` of its own.
        ours: files of entries.

    Raises:
        PeerError: an entry is missing or differs; its `audio_filepath` and the fields are named.
    """
    begins = _begins(theirs)
    count = len(begins)
    with theirs.open("rb") as file:
        for entry in _entries(ours):
            name = entry["audio_filepath"]
            if name not in begins:
                raise PeerError(f"{name}: is not in {theirs.name}, or is twice in ours")
            file.seek(begins.pop(name))
            other = orjson.loads(file.readline())
            if entry != other:
                fields = [key for key in {**entry, **other} if entry.get(key, theirs) != other.get(key, theirs)]
                raise PeerError(f"{name}: differs from that in {theirs.name}: {', '.join(fields)}")
    if begins:
        raise PeerError(f"{min(begins)}: is in {theirs.name} and not in ours, as {len(begins)} of {count} entries")
    return count


def _begins(path: Path) -> dict[str, int]:
    """For each `audio_filepath` where its line begins."""
    found: dict[str, int] = {}
    begin = 0
    with path.open("rb") as lines:
        for line in lines:
            name = orjson.loads(line)["audio_filepath"]
            if name in found:
                raise PeerError(f"{name}: is twice in {path.name}")
            found[name] = begin
            begin += len(line)
    return found


def _entries(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        with path.open("rb") as lines:
            yield from map(orjson.loads, lines)
