"""Slicing windows of 120 s: speed in multiples of a plain loop that reads each recording once and writes each window.

Both take turns in one process, on one core, on recordings of 16 kHz. Another process tells what memory it takes to
slice one recording of six hours.

    python -m benchmarks.slices [SECONDS]
"""

import io
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from alm_beam.audio.encode import encoded
from alm_beam.audio.slices import Slice, Span, slices
from benchmarks.floor import peak_memory

RECORDINGS = 10
SECONDS = 1800
LONG_SECONDS = 6 * 3600
WINDOW_SECONDS = 120
RATE = 16000


class Row(NamedTuple):
    """A measurement: of all recordings, wall-clock seconds, medians over the rounds; memory in bytes.

    `speed` is that of slicing and encoding in multiples of the plain loop's, the median of the rounds' ratios, and
    `spread` what lies between their quarters.
    """

    name: str
    hours: float
    windows: int
    slicing: float
    plain: float
    speed: float
    spread: float
    peak_memory: int


Recording = tuple[str, list[Span]]


def rows(rounds: int = 7, seconds: int = SECONDS, long_seconds: int = LONG_SECONDS) -> Iterator[Row]:
    """The measurements of both kinds of files, with windows that overlap by half, and that do not."""
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("flac", "wav"):
            paths = [write_recording(Path(folder), ending, number, seconds) for number in range(RECORDINGS)]
            long = write_recording(Path(folder), ending, RECORDINGS, long_seconds)
            for overlap in (50, 0):
                recordings = [(path, spans_of(seconds, overlap)) for path in paths]
                long_one = (long, spans_of(long_seconds, overlap))
                yield _row(f"{ending}, overlap {overlap} %", recordings, long_one, seconds, rounds)
            os.remove(long)


def write_recording(folder: Path, ending: str, number: int, seconds: int) -> str:
    """A recording of bursts of a noise without its highest parts, as loud as speech."""
    generator = np.random.default_rng(number)
    noise = generator.standard_normal(RATE * 60)
    smooth = (noise + np.roll(noise, 1) + np.roll(noise, 2)) * 1000
    loudness = np.repeat(generator.uniform(0.02, 1, 120), RATE // 2)
    part = (smooth * loudness).astype(np.int16)
    path = folder / f"{number}.{ending}"
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for begin in range(0, seconds, 60):
            file.write(np.roll(part, begin * 997)[: (seconds - begin) * RATE])
    return str(path)


def spans_of(seconds: int, overlap: int, window_seconds: int = WINDOW_SECONDS) -> list[Span]:
    """Windows that overlap by so many hundredths."""
    step = window_seconds * (100 - overlap) // 100
    return [Span(start, window_seconds, (0,)) for start in range(0, seconds - window_seconds + 1, step)]


def _row(name: str, recordings: list[Recording], long: Recording, seconds: int, rounds: int) -> Row:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        mine, plain, ratios = fresh.submit(_turns, recordings, rounds).result()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        memory = fresh.submit(_peak_memory, long).result()
    quarter, median, three_quarters = statistics.quantiles(ratios, n=4)
    windows = sum(len(spans) for _, spans in recordings)
    hours, spread = len(recordings) * seconds / 3600, three_quarters - quarter
    return Row(name, hours, windows, statistics.median(mine), statistics.median(plain), median, spread, memory)


def _turns(recordings: list[Recording], rounds: int) -> tuple[list[float], list[float], list[float]]:
    mine: list[float] = []
    plain: list[float] = []
    assert _sliced(recordings[0]) == _by_plain_loop(recordings[0])
    for _ in range(rounds):
        turns = [(_seconds(_sliced, each), _seconds(_by_plain_loop, each)) for each in recordings]
        mine.append(sum(one for one, _ in turns))
        plain.append(sum(other for _, other in turns))
    return mine, plain, [other / one for one, other in zip(mine, plain)]


def _seconds(work: Callable[[Recording], object], recording: Recording) -> float:
    begin = time.perf_counter()
    work(recording)
    return time.perf_counter() - begin


def _sliced(recording: Recording) -> list[bytes]:
    path, spans = recording
    found = []
    for each in slices(path, spans):
        assert isinstance(each, Slice)
        found.append(encoded(each.values, each.sample_rate, "flac", each.bits).data)
    return found


def _by_plain_loop(recording: Recording) -> list[bytes]:
    """Decodes all of the recording at once, to integers, and writes each window into memory."""
    path, spans = recording
    samples, rate = soundfile.read(path, dtype="int16")
    found = []
    for span in spans:
        buffer = io.BytesIO()
        start = round(span.start * rate)
        soundfile.write(buffer, samples[start : start + round(span.duration * rate)], rate, "PCM_16", format="FLAC")
        found.append(buffer.getvalue())
    return found


def _peak_memory(recording: Recording) -> int:
    path, spans = recording
    for each in slices(path, spans):
        assert isinstance(each, Slice)
        encoded(each.values, each.sample_rate, "flac", each.bits)
    return peak_memory()


def main() -> None:
    """Prints the rows, of recordings of so many seconds if an argument says so."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    for row in rows(seconds=seconds, long_seconds=LONG_SECONDS * seconds // SECONDS):
        print(
            f"{row.name}: {row.windows} windows of {row.hours:.1f} h, {row.slicing:.2f} s against {row.plain:.2f} s: "
            f"{row.speed:.3f} of the plain loop's speed (± {row.spread / 2:.3f}), {row.peak_memory >> 20} MiB"
        )


if __name__ == "__main__":
    main()
