"""What the other selections cost: time of one line in and out, in multiples of the greedy one, in turns."""

import gc
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import orjson

from alm_beam.core.config import ALL, GREEDY, LONGEST, MOST_AUDIO
from benchmarks.floor import inputs, kernel, long_recording

SELECTIONS = ((GREEDY, LONGEST), (MOST_AUDIO, LONGEST), (MOST_AUDIO, ALL))


class Row(NamedTuple):
    """A measurement: of one input, in seconds for all its lines, medians over the rounds."""

    name: str
    selection: str
    candidates: str
    recordings: int
    segments: int
    seconds: float
    ratio: float
    spread: float


def rows(seconds: float) -> Iterator[Row]:
    """The measurements of all inputs that are at hand, and of growing recordings."""
    for name, lines in inputs().items():
        yield from measured(name, lines, 120.0, seconds)
    for segments in (1250, 5000, 20000):
        yield from measured("one recording, 120 s windows", [long_recording(segments)], 120.0, seconds)
    yield from measured("one recording, 600 s windows", [long_recording(20000)], 600.0, seconds)
    yield from measured("one recording of 1 s segments", [_short_segments(20000)], 120.0, seconds)


def _short_segments(count: int) -> bytes:
    """A recording without pauses, in segments of a second: one that has very many windows."""
    segments = [
        {"start": at, "end": at + 1, "speaker": "abc"[at % 3], "metrics": {"bandwidth": 8000}} for at in range(count)
    ]
    return orjson.dumps({"audio_filepath": "short.wav", "audio_sample_rate": 16000, "segments": segments})


def measured(name: str, lines: list[bytes], window_duration: float, seconds: float) -> Iterator[Row]:
    """Runs the selections in turns for about so many seconds, and three times at least, in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        times = process.submit(_times, lines, window_duration, seconds).result()
    segments = sum(len(orjson.loads(line)["segments"]) for line in lines)
    for how, found, ratios in zip(SELECTIONS, zip(*times), zip(*([one / turn[0] for one in turn] for turn in times))):
        quarter, median, three_quarters = statistics.quantiles(ratios, n=4)
        yield Row(name, *how, len(lines), segments, statistics.median(found), median, three_quarters - quarter)


def _times(lines: list[bytes], window_duration: float, seconds: float) -> list[list[float]]:
    """For each turn the seconds that each of the SELECTIONS took for all lines."""
    gc.freeze()  # as in the job's forks
    kernels = [kernel(window_duration, *how) for how in SELECTIONS]
    turns: list[list[float]] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(turns) < 3:
        turns.append([])
        for entry_of in kernels:
            begin = time.perf_counter()
            for line in lines:
                entry_of(line)
            turns[-1].append(time.perf_counter() - begin)
    return turns
