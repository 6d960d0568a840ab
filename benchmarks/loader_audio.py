"""Audio windows in random order from shards of FLAC: one process, warm cache, in its core's time.

Beside it: decoding the same members, which are in memory already, by soundfile; and, where Lhotse 2 is installed, its
indexed Shar reader on the same files. The three take turns, so that what else the machine does is the same to all.
`python -m benchmarks.loader_audio [WINDOWS]` prints the rows.
"""

import importlib.util
import io
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import orjson
import soundfile
from xxhash import xxh3_128_hexdigest

from alm_beam.loader import WindowLoader
from alm_beam.storage.index.build import build_index

SECONDS = 120
RATE = 16000
WINDOWS = 200
PER_SHARD = 50
ROUNDS = 5
TURN = 20
"""Windows that one of them reads at a time."""

_BLOCK = 512


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
        works = {"decoding the same members from memory": _memory(members), "the loader": _loader(folder)}
        if importlib.util.find_spec("lhotse") and importlib.util.find_spec("lhotse.indexing"):
            works["Lhotse's indexed Shar reader"] = _lhotse(folder, windows)
        times = _interleaved(works, windows)
    [floor, *_] = times.values()
    for name, found in times.items():
        ratios = sorted(before / after for before, after in zip(floor, found))
        quarter = len(ratios) // 4
        spread = ratios[-1 - quarter] - ratios[quarter]
        yield Row(name, windows, TURN / statistics.median(found), statistics.median(ratios), spread)


def _interleaved(works: dict[str, Callable[[], Any]], windows: int) -> dict[str, list[float]]:
    """For each work the seconds of each turn. The first round is not counted: it warms the cache."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range((ROUNDS + 1) * windows // TURN):
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


def _loader(folder: str) -> Callable[[], Any]:
    windows = chain.from_iterable(repeat(WindowLoader(folder, audio=True)))
    return lambda: next(windows)["audio"].samples


def _lhotse(folder: str, windows: int) -> Callable[[], Any]:
    from lhotse import CutSet

    cuts = CutSet.from_shar(in_dir=f"{folder}/shar", indexed=True, index_path=f"{folder}/shar_index")
    order = Random(1)
    return lambda: cuts[order.randrange(windows)].load_audio()


def write_shards(folder: Path, windows: int) -> list[bytes]:
    """Writes our folder and Lhotse's, of the same tars; the members' bytes."""
    found = []
    for name in ("shar", "shar_index"):
        (folder / name).mkdir()
    count = -(-windows // PER_SHARD)
    for shard in range(count):
        tar_name = f"recording.{shard:06}.tar"
        ours, theirs, starts = [], [], []
        with tarfile.open(folder / "shar" / tar_name, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number in range(shard * PER_SHARD, min((shard + 1) * PER_SHARD, windows)):
                data = _flac(number)
                found.append(data)
                starts.append(tar.offset)
                digest = xxh3_128_hexdigest(data)
                member = {"file": f"shar/{tar_name}", "offset": tar.offset + _BLOCK, "bytes": len(data)}
                recording = _recording(number)
                _add(tar, f"{recording['id']}.flac", data)
                _add(tar, f"{recording['id']}.json", orjson.dumps(recording))
                cut = {"id": recording["id"], "start": 0, "duration": float(SECONDS), "channel": 0, "supervisions": []}
                cut |= {"recording": recording, "type": "MonoCut"}
                theirs.append(orjson.dumps(cut) + b"\n")
                ours.append(orjson.dumps(cut | {"custom": {"audio_member": member | {"digest": digest}}}) + b"\n")
        (folder / f"cuts-{shard:05}-of-{count:05}.jsonl").write_bytes(b"".join(ours))
        (folder / "shar" / f"cuts.{shard:06}.jsonl").write_bytes(b"".join(theirs))
        _write_offsets(folder, f"cuts.{shard:06}.jsonl", np.cumsum([0, *map(len, theirs)])[:-1].tolist())
        _write_offsets(folder, tar_name, starts)
    build_index(str(folder))
    return found


def _flac(number: int) -> bytes:
    """A noise under an envelope, of which FLAC takes about half of what WAV does, as of speech."""
    generator = np.random.default_rng(number)
    noise = generator.standard_normal(SECONDS * RATE).astype(np.float32)
    envelope = np.repeat(generator.uniform(0.0, 0.1, SECONDS * 10).astype(np.float32), RATE // 10)
    file = io.BytesIO()
    soundfile.write(file, np.convolve(noise * envelope, np.ones(4, np.float32) / 2, "same"), RATE, format="FLAC")
    return file.getvalue()


def _recording(number: int) -> dict[str, Any]:
    source = {"type": "shar", "channels": [0], "source": ""}
    sizes = {"sampling_rate": RATE, "num_samples": SECONDS * RATE, "duration": float(SECONDS)}
    return {"id": f"window-{number:06}", "sources": [source], **sizes, "channel_ids": [0]}


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _write_offsets(folder: Path, name: str, offsets: list[int]) -> None:
    size = (folder / "shar" / name).stat().st_size
    (folder / "shar_index" / f"{name}.idx").write_bytes(np.array([*offsets, size], "<u8").tobytes())


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else WINDOWS):
        print(f"{row.name:42}{row.per_second:>10.1f} windows/s{row.ratio:>8.3f}  ({row.spread:.3f})", flush=True)
