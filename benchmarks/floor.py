"""One line in, one line out, on one core: time in multiples of the floor.

The floor is what any tool must do: parse the input with orjson and copy the output's bytes once. Kernel and floor take
turns within one run, as the machines are shared and noisy; ratios are of neighbours.
"""

import gc
import json
import lzma
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from alm_beam.core.config import GREEDY, LONGEST, EntryConfig, OverlapConfig, WindowConfig
from alm_beam.core.entries import serialise_entry
from alm_beam.core.manifest import ManifestLine, parse_recording
from alm_beam.core.overlap import filter_overlaps
from alm_beam.core.windows import build_windows
from alm_beam.sample import sample_entries

REPO = Path(__file__).parents[1]
SHARED = REPO.parent / "shared" / "conformance"


class Row(NamedTuple):
    """A measurement: of one input, in seconds for all its lines, medians over the rounds.

    `peak_memory` is in bytes, and counts the outputs, which are kept for the floor.
    """

    name: str
    recordings: int
    segments: int
    bytes_in: int
    bytes_out: int
    kernel: float
    floor: float
    ratio: float
    spread: float
    peak_memory: int


def kernel(window_duration: float, selection: str = GREEDY, candidates: str = LONGEST) -> Callable[[bytes], bytes]:
    """The whole way of one line."""
    windows = WindowConfig(target_window_duration=window_duration, candidates=candidates)
    overlap, entry = OverlapConfig(selection=selection), EntryConfig()

    def entry_of(line: bytes) -> bytes:
        candidates = build_windows(parse_recording(ManifestLine("bench", 0, line)), windows)
        return serialise_entry(filter_overlaps(candidates, overlap), entry)

    return entry_of


def measured(name: str, lines: list[bytes], window_duration: float, seconds: float) -> Row:
    """Runs kernel and floor in turns for about so many seconds, and five times at least, in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_measured, name, lines, window_duration, seconds).result()


def _measured(name: str, lines: list[bytes], window_duration: float, seconds: float) -> Row:
    gc.freeze()  # as in the job's forks; else what Python looks through now and then falls on either, by chance
    entry_of = kernel(window_duration)
    written = [entry_of(line) for line in lines]
    kernels: list[float] = []
    floors: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(kernels) < 5:
        begin = time.perf_counter()
        for line in lines:
            entry_of(line)
        between = time.perf_counter()
        for line, output in zip(lines, written):
            orjson.loads(line)
            bytearray(output)
        kernels.append(between - begin)
        floors.append(time.perf_counter() - between)
    ratios = [one / other for one, other in zip(kernels, floors)]
    quarter, _, three_quarters = statistics.quantiles(ratios, n=4)
    return Row(
        name,
        len(lines),
        sum(len(orjson.loads(line)["segments"]) for line in lines),
        sum(map(len, lines)),
        sum(map(len, written)),
        statistics.median(kernels),
        statistics.median(floors),
        statistics.median(ratios),
        three_quarters - quarter,
        peak_memory(),
    )


def manifest_lines(path: Path) -> list[bytes]:
    """The lines of a manifest, compressed as .xz or not."""
    data = path.read_bytes()
    return (lzma.decompress(data) if path.suffix == ".xz" else data).splitlines()


def long_recording(segments: int) -> bytes:
    """A conversation of so many segments, in one line, without words."""
    found: list[dict[str, Any]] = []
    shift = 0.0
    for entry in sample_entries(recordings=10**9, seed=7):
        for segment in entry["segments"]:
            del segment["words"]
            found.append({**segment, "start": segment["start"] + shift, "end": segment["end"] + shift})
        shift = found[-1]["end"] + 1
        if len(found) >= segments:
            break
    return json.dumps({"audio_filepath": "long.wav", "audio_sample_rate": 16000, "segments": found[:segments]}).encode()


def inputs() -> dict[str, list[bytes]]:
    """The lines of the manifests that are at hand."""
    public = REPO / "tests" / "data" / "conformance" / "public"
    paths = {
        "shipped sample": REPO / "alm_beam" / "sample_data" / "conversations.jsonl",
        "plain": public / "plain.jsonl.xz",
        "hostile": public / "hostile.jsonl.xz",
        "reference's sample": SHARED / "fetched" / "sample_input.jsonl",
        "AMI dev": SHARED / "fetched" / "ami_dev.jsonl.xz",
    }
    return {name: manifest_lines(path) for name, path in paths.items() if path.is_file()}


def peak_memory() -> int:
    """The greatest resident memory of this process so far, bytes."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


def rows(seconds: float) -> Iterator[Row]:
    """The measurements of all inputs that are at hand, and of growing recordings."""
    for name, lines in inputs().items():
        yield measured(name, lines, 120.0, seconds)
    for duration in (120.0, 600.0):
        for segments in (1250, 2500, 5000, 10000, 20000):
            name = f"one recording, {duration:.0f} s windows"
            yield measured(name, [long_recording(segments)], duration, seconds / 2)
