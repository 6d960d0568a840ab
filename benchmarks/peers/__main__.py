"""`make bench-peers`: others and we on the same inputs, in turns. Prints a table, and writes it as JSON.

NeMo Curator's stages, on Ray Data and without, against `alm-beam windows`; Lhotse's readers against `WindowLoader`; the
batches of fairseq2 and of Lhotse's bucketing sampler against `WindowBatches`. Each peer is in an environment of its
own, which make makes. One that has none is left out, and a line says so.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from alm_beam import __version__
from benchmarks.peers import batches, loaders, stages, windows
from benchmarks.peers.environments import PACKAGES, PeerError, python_of, versions_of
from benchmarks.peers.rows import Row, as_json, print_rows

RECORDINGS = 1_000
"""Of the sample; Curator holds all entries in memory."""

ROUNDS = 3


def main(arguments: list[str]) -> None:
    given = _parsed(arguments)
    there = [peer for peer in given.peers if python_of(peer).is_file()]
    versions = {"alm_beam": {"python": platform.python_version(), "alm-beam": __version__}}
    versions |= {peer: versions_of(peer) for peer in there}
    machine = _machine()
    print("\n".join(_stated(machine, versions)))
    if given.ami_rttm is None:
        print("The rows of AMI are left out: AMI_RTTM=PATH names a tar archive of its RTTM files.")
    for peer in sorted({*given.peers} - {*there}):
        print(f"The rows of {peer} are left out: there is no {python_of(peer)}; `make bench-peers` makes it.")
    with tempfile.TemporaryDirectory() as work:
        rows = list(print_rows(_rows(given, there, Path(work))))
    given.out.mkdir(parents=True, exist_ok=True)
    results = {
        "machine": machine,
        "load_at_end": os.getloadavg()[0],
        "versions": versions,
        "rows": [as_json(row) for row in rows],
    }
    (given.out / "peers.json").write_text(json.dumps(results, indent=2) + "\n")
    print(f"\n{given.out}/peers.json")


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder that peers.json is written to")
    parser.add_argument("--ami_rttm", type=Path, help="a tar archive of the RTTM files of AMI")
    parser.add_argument("--recordings", type=int, default=RECORDINGS, help="of the sample (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each measurement (default: %(default)s)")
    parser.add_argument("--peers", nargs="+", choices=PACKAGES, default=[*PACKAGES], help="default: all")
    return parser.parse_args(arguments)


def _rows(given: argparse.Namespace, peers: list[str], work: Path) -> Iterator[Row]:
    folders = {name: work / name for name in ("windows", "stages", "batches")}
    for folder in folders.values():
        folder.mkdir()
    parts = []
    if "curator" in peers:
        parts.append(windows.rows(given.ami_rttm, given.recordings, given.rounds, folders["windows"]))
        parts.append(stages.rows(given.ami_rttm, given.rounds, folders["stages"]))
    if "lhotse" in peers:
        parts.append(loaders.rows(given.rounds))
    if {"lhotse", "fairseq2"} & {*peers}:
        parts.append(batches.rows(given.ami_rttm, peers, given.rounds, folders["batches"]))
    return chain.from_iterable(parts)


def _machine() -> dict[str, object]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "system": platform.platform(),
        "processor": (models or [platform.machine()])[0],
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_at_start": os.getloadavg()[0],
    }


def _stated(machine: dict[str, object], versions: dict[str, dict[str, str]]) -> Iterator[str]:
    yield "machine: " + ", ".join(f"{name} {value}" for name, value in machine.items())
    for name, found in versions.items():
        yield f"{name}: " + ", ".join(f"{package} {version}" for package, version in found.items())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (PeerError, ValueError, OSError) as error:
        sys.exit(f"python -m benchmarks.peers: {error}")
