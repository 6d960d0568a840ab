"""Measuring the bandwidth of segments: speed in multiples of a plain loop that decodes once and computes the same.

Both take turns in one process, on recordings of noise bursts in segments as a diarizer leaves them. Then two
processes measure half of the recordings each.
"""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from alm_beam.audio.bandwidth import FFT_SIZE, LEAST_POWER, THRESHOLD_DB
from alm_beam.audio.measure import measure_audio
from benchmarks.floor import peak_memory

RECORDINGS = 10
SECONDS = 600


class Row(NamedTuple):
    """A measurement: of all recordings of a kind, wall-clock seconds, medians over the rounds; memory in bytes.

    `speed` is that of measuring in multiples of the plain loop's, in the same round; `both` that of two processes.
    """

    name: str
    hours: float
    segments: int
    measuring: float
    plain: float
    speed: float
    spread: float
    two_processes: float
    both: float
    peak_memory: int


Spans = list[tuple[float, float]]
Recording = tuple[str, Spans]


def rows(rounds: int = 5) -> Iterator[Row]:
    """The measurements of all kinds of files."""
    with tempfile.TemporaryDirectory() as folder:
        for ending, rate, channels in (("wav", 16000, 1), ("flac", 16000, 1), ("wav", 48000, 2), ("flac", 48000, 2)):
            recordings = _written(Path(folder), ending, rate, channels)
            name = f"{ending}, {rate // 1000} kHz, {channels} channel{'s' * (channels > 1)}"
            with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
                yield _row(name, recordings, rounds, processes)


def _written(folder: Path, ending: str, rate: int, channels: int) -> list[Recording]:
    generator = np.random.default_rng(0)
    found = []
    for number in range(RECORDINGS):
        noise = generator.standard_normal((SECONDS * rate // 10, channels)).astype(np.float32) * 0.05
        path = folder / f"{number}-{rate}-{channels}.{ending}"
        with soundfile.SoundFile(path, "w", rate, channels, "PCM_16") as file:
            for turn in range(10):
                file.write(noise * (0.2 + 0.1 * turn))
        found.append((str(path), _diarized(generator)))
    return found


def _diarized(generator: np.random.Generator) -> Spans:
    """Segments of 0.5 to 12 s with pauses, or overlaps, between them: nine tenths of the time is speech."""
    spans, time_ = [], 0.0
    while time_ < SECONDS:
        length = float(generator.uniform(0.5, 12))
        spans.append((time_, min(time_ + length, SECONDS)))
        time_ = max(0.0, time_ + length + float(generator.uniform(-0.5, 1.5)))
    return spans


def _row(name: str, recordings: list[Recording], rounds: int, processes: ProcessPoolExecutor) -> Row:
    mine, plain, ratios = processes.submit(_turns, recordings, rounds).result()
    list(processes.map(_measured, [recordings[:1]] * 4))  # starts the second one
    together = []
    for _ in range(rounds):
        begin = time.perf_counter()
        list(processes.map(_measured, [[each] for each in recordings]))
        together.append(time.perf_counter() - begin)
    quarter, median, three_quarters = statistics.quantiles(ratios, n=4)
    alone, both = statistics.median(mine), statistics.median(together)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        memory = fresh.submit(_peak_memory, recordings).result()
    segments = sum(len(spans) for _, spans in recordings)
    hours = RECORDINGS * SECONDS / 3600
    spread = three_quarters - quarter
    return Row(name, hours, segments, alone, statistics.median(plain), median, spread, both, alone / both, memory)


def _turns(recordings: list[Recording], rounds: int) -> tuple[list[float], list[float], list[float]]:
    mine: list[float] = []
    plain: list[float] = []
    assert _measured(recordings[:1]) == _by_plain_loop(recordings[:1])
    for _ in range(rounds):
        mine.append(_seconds(_measured, recordings))
        plain.append(_seconds(_by_plain_loop, recordings))
    return mine, plain, [other / one for one, other in zip(mine, plain)]


def _seconds(measure: Callable[[list[Recording]], object], recordings: list[Recording]) -> float:
    begin = time.perf_counter()
    measure(recordings)
    return time.perf_counter() - begin


def _measured(recordings: list[Recording]) -> list[list[int | None]]:
    return [measure_audio(path, bandwidth_of=spans).bandwidths for path, spans in recordings]


def _peak_memory(recordings: list[Recording]) -> int:
    _measured(recordings)
    return peak_memory()


def _by_plain_loop(recordings: list[Recording]) -> list[list[int | None]]:
    """Decodes each recording at once, and transforms each segment at once, in single precision."""
    turns = 2 * np.pi * np.arange(FFT_SIZE) / FFT_SIZE
    factors = (0.35875, -0.48829, 0.14128, -0.01168)
    window = np.sum([factor * np.cos(k * turns) for k, factor in enumerate(factors)], axis=0).astype(np.float32)
    found: list[list[int | None]] = []
    for path, spans in recordings:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
        values: list[int | None] = []
        for start, end in spans:
            padded = np.pad(mono[int(start * rate) : int(end * rate)], FFT_SIZE // 2)
            frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SIZE)[:: int(rate * 0.01)]
            power = (np.abs(np.fft.rfft(frames * window)) ** 2).mean(axis=0)
            decibels = 10 * np.log10(np.maximum(power, LEAST_POWER))
            highest = np.flatnonzero(decibels - decibels.max() > -THRESHOLD_DB)[-1]
            values.append(int(highest * (rate / FFT_SIZE)))
        found.append(values)
    return found
