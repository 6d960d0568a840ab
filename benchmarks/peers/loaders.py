"""Shuffled reading by Lhotse and by `WindowLoader`, of cuts and of audio from shards, in the CPU time of one process.

`python -m benchmarks.peers.loaders ROUNDS`, in an environment that has Lhotse and this package, writes JSON: for each
row its name, the peer, the speeds of the rounds of both, windows a second, and what comparing the results said.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash

from alm_beam.loader import WindowLoader
from alm_beam.storage.index.build import build_index
from benchmarks.cuts import write_cuts
from benchmarks.loader_audio import SECONDS, TURN, by_lhotse, by_loader, interleaved, write_shards
from benchmarks.peers.environments import PeerError, json_of, python_of
from benchmarks.peers.rows import RATE, Row, row_of

CUTS = 100_000
WINDOWS = 100


class Speeds(NamedTuple):
    """A row as the environment gives it: windows a second."""

    name: str
    peer: str
    theirs: list[float]
    ours: list[float]
    compared: str


def rows(rounds: int) -> Iterator[Row]:
    """Cuts as objects and as dictionaries, and audio.

    Raises:
        PeerError: Lhotse failed, or what it reads differs from what we read.
    """
    for found in json_of([str(python_of("lhotse")), "-m", "benchmarks.peers.loaders", str(rounds)]):
        speeds = Speeds(*found)
        yield row_of(speeds.name, speeds.peer, RATE, speeds.theirs, speeds.ours, speeds.compared)


def _of_cuts(rounds: int) -> Iterator[Speeds]:
    """Whole epochs of cuts of about 460 bytes. The first, which makes Lhotse's index, is not counted."""
    from lhotse import CutSet
    from lhotse.lazy import GraphOriginDict, LazyIndexedManifestIterator, LazyIteratorChain
    from lhotse.serialization import deserialize_item

    with tempfile.TemporaryDirectory() as folder:
        write_cuts(Path(folder), CUTS)
        build_index(folder)
        paths = [str(path) for path in sorted(Path(folder).glob("cuts-*.jsonl"))]
        files = [LazyIndexedManifestIterator(path, decode=GraphOriginDict) for path in paths]
        ours = WindowLoader(folder, seed=1)
        dicts = LazyIteratorChain(*files, shuffle_iters=True, seed=1)
        objects = CutSet.from_files(paths, shuffle_iters=True, seed=1, indexed=True)
        read = {window["id"]: window for window in ours}
        _same("cuts as dictionaries", read, {cut["id"]: cut for cut in dicts})
        made = {name: deserialize_item(window) for name, window in read.items()}
        _same("cuts as objects", made, {cut.id: cut for cut in objects})
        speeds: list[list[float]] = [[], [], []]
        for _ in range(rounds):
            for found, reader in zip(speeds, (dicts, objects, ours)):
                found.append(CUTS / _seconds(reader))
    name, compared = f"{CUTS:,} cuts, shuffled", "the same cuts"
    yield Speeds(name, "Lhotse's indexed reader, dictionaries", speeds[0], speeds[2], compared)
    yield Speeds(
        name, "Lhotse's indexed reader, MonoCut objects", speeds[1], speeds[2], f"{compared}; ours dictionaries"
    )


def _of_audio(rounds: int) -> Iterator[Speeds]:
    """Windows of FLAC from shards that `alm-beam shards` wrote, in random order."""
    with tempfile.TemporaryDirectory() as folder:
        count = len(write_shards(Path(folder), WINDOWS))
        shards = f"{folder}/shards"
        _same("audio", dict(_hashes_of_ours(shards)), dict(_hashes_of_lhotse(shards)))
        works = {"theirs": by_lhotse(shards, count), "ours": by_loader(shards)}
        times = interleaved(works, count, rounds)
    turns = count // TURN
    theirs, ours = (
        [count / sum(found[turns * number :][:turns]) for number in range(rounds)] for found in times.values()
    )
    yield Speeds(
        f"{count} windows of {SECONDS} s, FLAC", "Lhotse's indexed Shar reader", theirs, ours, "the same samples"
    )


def _hashes_of_ours(shards: str) -> Iterator[tuple[str, int]]:
    for window in WindowLoader(shards, audio=True):
        yield window["id"], _hash(window["audio"].samples)


def _hashes_of_lhotse(shards: str) -> Iterator[tuple[str, int]]:
    from lhotse import CutSet

    for cut in CutSet.from_shar(in_dir=f"{shards}/shar", indexed=True, index_path=f"{shards}/shar_index"):
        yield cut.id, _hash(cut.load_audio())


def _hash(samples: Any) -> int:
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(samples).tobytes())


def _same(what: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Raises PeerError where they differ."""
    if ours == theirs:
        return
    differing = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    name = differing[0]
    raise PeerError(f"{what}: {len(differing)} differ, such as {name}: {theirs.get(name)} and ours {ours.get(name)}")


def _seconds(reader: Iterable[Any]) -> float:
    begin = time.process_time()
    read = sum(1 for _ in reader)
    seconds = time.process_time() - begin
    assert read == CUTS
    return seconds


_WORKS: tuple[Callable[[int], Iterator[Speeds]], ...] = (_of_cuts, _of_audio)


if __name__ == "__main__":
    json.dump([found for work in _WORKS for found in work(int(sys.argv[1]))], sys.stdout)
