"""The windows that `benchmarks.batching` puts into batches: of AMI, and short ones as speech recognition has."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from alm_beam.audio.spans import counted_samples
from alm_beam.loader.sources import OpenSource, as_sources, open_sources
from alm_beam.storage.index.build import build_index
from benchmarks.ami import alm_beam, write_manifests
from benchmarks.batching_figures import Lengths

RATE = 16_000
TARGETS = (30, 60, 120)
"""Seconds of the windows of AMI."""

TOLERANCE = 0.5
SHORT_WINDOWS = 50_000
SHORT_SECONDS = (1, 40)
SHORT_BUDGET = 960
"""Seconds of a batch of short windows, padding included. In the other data sets it has room for LONGEST_IN_BATCH."""

LONGEST_IN_BATCH = 16


class DataSet(NamedTuple):
    """Windows to be put into batches.

    Attributes:
        name: of the data set.
        folders: of the cuts, each with its index.
        lengths: samples of each window, in the order in which the windows stand in the files, folder after folder.
        numbers: for each folder, the place in `lengths` of each row of its index.
        longest: samples of the longest window that the data set may have.
        budget: samples of a batch at most, padding included; a multiple of `longest`.
    """

    name: str
    folders: list[Path]
    lengths: Lengths
    numbers: list[npt.NDArray[np.int64]]
    longest: int
    budget: int


def data_sets(archive: Path, work: Path) -> Iterator[DataSet]:
    """The data sets, made in a folder.

    Args:
        archive: a tar archive of RTTM files, such as those of AMI.
        work: folder, empty.

    Raises:
        OSError: the archive is missing.
        ValueError: it is no archive, or there is no RTTM file in it.
    """
    folders: list[Path] = []
    for data in ami_data_sets(archive, work):
        folders += data.folders
        yield data
    short = short_data_set(work / "short")
    yield short
    longest = int(max(TARGETS) * (1 + TOLERANCE))
    yield _data_set("all of these", [*folders, *short.folders], longest, LONGEST_IN_BATCH * longest)


def ami_data_sets(archive: Path, work: Path, targets: Sequence[int] = TARGETS) -> Iterator[DataSet]:
    """The windows of an archive at each of the targets, seconds; the rest is as in `data_sets`."""
    for target, folder in _windows_of(archive, work, targets).items():
        longest = int(target * (1 + TOLERANCE))
        yield _data_set(f"AMI, {target} s", [folder], longest, LONGEST_IN_BATCH * longest)


def short_data_set(folder: Path) -> DataSet:
    """Short windows, made in a folder that does not exist yet."""
    _write_short_windows(folder)
    return _data_set(f"{SHORT_SECONDS[0]} to {SHORT_SECONDS[1]} s", [folder], SHORT_SECONDS[1], SHORT_BUDGET)


def _data_set(name: str, folders: list[Path], longest: int, budget: int) -> DataSet:
    lengths, numbers, before = [], [], 0
    for source in open_sources(as_sources([str(folder) for folder in folders])):
        order = _file_order(source)
        lengths += [counted_samples(seconds, RATE) for seconds in source.durations()[order].tolist()]
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(before, before + len(order))
        numbers.append(places)
        before += len(order)
    return DataSet(name, folders, np.array(lengths, np.int64), numbers, longest * RATE, budget * RATE)


def _file_order(source: OpenSource) -> npt.NDArray[np.int64]:
    """The rows of the index in the order in which their cuts stand in the files."""
    rows = source.index.rows
    return np.lexsort((rows["offset"], rows["shard"]))


def _windows_of(archive: Path, work: Path, targets: Sequence[int]) -> dict[int, Path]:
    """For each target the folder of the windows."""
    write_manifests(archive, work / "manifests")
    folders = {target: work / f"windows-{target}" for target in targets}
    for target, folder in folders.items():
        alm_beam(
            "windows",
            f"--input={work}/manifests",
            f"--output={folder}",
            f"--target_window_duration={target}",
            f"--tolerance={TOLERANCE}",
            f"--default_sample_rate={RATE}",  # RTTM says neither rate
            "--min_bandwidth=0",  # nor bandwidth
            "--no_truncation",  # nor words, at whose ends segments could be shortened
            "--no_candidate_windows",
        )
    return folders


def _write_short_windows(folder: Path) -> None:
    """Cuts of made lengths: as in read speech, many are short, more are near 14 s, and some are up to 40 s."""
    random = np.random.default_rng(0)
    turns = random.gamma(2.0, 3.0, SHORT_WINDOWS * 6 // 10) + 1
    passages = random.normal(14.5, 1.8, SHORT_WINDOWS - len(turns))
    seconds = random.permutation(np.concatenate([turns, passages])).clip(*SHORT_SECONDS).round(3)
    folder.mkdir()
    with (folder / "cuts-00000-of-00001.jsonl").open("wb") as file:
        for number, duration in enumerate(seconds.tolist()):
            cut = {"id": f"short-{number:06}", "start": 0.0, "duration": duration, "channel": 0, "type": "MonoCut"}
            file.write(orjson.dumps({**cut, "supervisions": []}, option=orjson.OPT_APPEND_NEWLINE))
    build_index(str(folder))
