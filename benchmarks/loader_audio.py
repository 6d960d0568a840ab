"""Audio windows in random order from FLAC shards that `alm-beam shards` wrote: one process, warm cache, in CPU time.

Beside it: decoding the same members, which are in memory already, by soundfile; and, where Lhotse 2 is installed, its
indexed Shar reader on the same files. The three take turns, so that what else the machine does is the same to all.
`python -m benchmarks.loader_audio [WINDOWS]` prints the rows.
"""

import importlib.util
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import orjson
import soundfile

from alm_beam.core.audio_member import AudioMember
from alm_beam.loader import WindowLoader
from benchmarks.shards import run_job, write_cuts
from benchmarks.slices import write_recording

SECONDS = 120
WINDOWS = 200
PER_SHARD = 20
"""Windows of a shard, which has one recording."""

ROUNDS = 5
TURN = 20
"""Windows that one of them reads at a time."""


class Row(NamedTuple):
    """Windows in a second of a core's time, medians of the rounds, and medians of the ratios of each turn."""

    name: str
    windows: int
    per_second: float
    ratio: float
    spread: float


def rows(windows: int = WINDOWS) -> Iterator[Row]:
    """From our shards; by decoding what is in memory, to which the ratios are; by Lhotse, if there is a Lhotse 2."""
    with tempfile.TemporaryDirectory() as folder:
        members = write_shards(Path(folder), windows)
        shards = f"{folder}/shards"
        works = {"decoding the same members from memory": _memory(members), "the loader": by_loader(shards)}
        if importlib.util.find_spec("lhotse") and importlib.util.find_spec("lhotse.indexing"):
            works["Lhotse's indexed Shar reader"] = by_lhotse(shards, len(members))
        times = interleaved(works, len(members))
    [floor, *_] = times.values()
    for name, found in times.items():
        ratios = sorted(before / after for before, after in zip(floor, found))
        quarter = len(ratios) // 4
        spread = ratios[-1 - quarter] - ratios[quarter]
        yield Row(name, len(members), TURN / statistics.median(found), statistics.median(ratios), spread)


def interleaved(works: dict[str, Callable[[], Any]], windows: int, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """For each work the seconds of each turn. The first round is not counted: it warms the cache."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range((rounds + 1) * windows // TURN):
        for name, work in works.items():
            begin = time.process_time()
            for _ in range(TURN):
                work()
            if turn >= windows // TURN:
                times[name].append(time.process_time() - begin)
    return times


def _memory(members: list[bytes]) -> Callable[[], Any]:
    order = Random(1)
    return lambda: soundfile.read(io.BytesIO(order.choice(members)), dtype="float32", always_2d=True)


def by_loader(folder: str) -> Callable[[], Any]:
    windows = chain.from_iterable(repeat(WindowLoader(folder, audio=True)))
    return lambda: next(windows)["audio"].samples


def by_lhotse(folder: str, windows: int) -> Callable[[], Any]:
    from lhotse import CutSet

    cuts = CutSet.from_shar(in_dir=f"{folder}/shar", indexed=True, index_path=f"{folder}/shar_index")
    order = Random(1)
    return lambda: cuts[order.randrange(windows)].load_audio()


def write_shards(folder: Path, windows: int) -> list[bytes]:
    """Has the job write shards of so many windows in Lhotse's format; the bytes of their audio."""
    paths = [
        Path(write_recording(folder, "flac", number, PER_SHARD * SECONDS)) for number in range(windows // PER_SHARD)
    ]
    cuts = write_cuts(folder / "cuts.jsonl", paths, PER_SHARD * SECONDS, SECONDS, 0)
    run_job(cuts, folder / "shards", [f"--windows_per_shard={PER_SHARD}"], sorted(os.sched_getaffinity(0)))
    found = []
    for path in sorted((folder / "shards").glob("cuts-*.jsonl")):
        for line in path.read_bytes().splitlines():
            member = AudioMember.of(orjson.loads(line))
            assert member is not None
            data = (folder / "shards" / member.file).read_bytes()
            found.append(data[member.offset : member.offset + member.bytes])
    return found


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else WINDOWS):
        print(f"{row.name:42}{row.per_second:>10.1f} windows/s{row.ratio:>8.3f}  ({row.spread:.3f})", flush=True)
