"""The windows that `benchmarks.batching` puts into batches: of AMI, and short ones as speech recognition has."""

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from alm_beam.audio.spans import counted_samples
from alm_beam.loader.sources import OpenSource, as_sources, open_sources
from alm_beam.storage.index.build import build_index
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
    windows = _windows_of(archive, work)
    for target, folder in windows.items():
        longest = int(target * (1 + TOLERANCE))
        yield _data_set(f"AMI, {target} s", [folder], longest, LONGEST_IN_BATCH * longest)
    short = _short_windows(work / "short")
    yield _data_set(f"{SHORT_SECONDS[0]} to {SHORT_SECONDS[1]} s", [short], SHORT_SECONDS[1], SHORT_BUDGET)
    longest = int(max(TARGETS) * (1 + TOLERANCE))
    yield _data_set("all of these", [*windows.values(), short], longest, LONGEST_IN_BATCH * longest)


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


def _windows_of(archive: Path, work: Path) -> dict[int, Path]:
    """For each target the folder of the windows."""
    _extract(archive, work / "rttm")
    _alm_beam("convert", "--from=rttm", f"--input={work}/rttm", f"--output={work}/manifests")
    folders = {target: work / f"windows-{target}" for target in TARGETS}
    for target, folder in folders.items():
        _alm_beam(
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


def _extract(archive: Path, folder: Path) -> None:
    """Writes the RTTM files of the archive, whatever folders they are in, into one."""
    folder.mkdir()
    try:
        with tarfile.open(archive) as members:
            for member in members:
                content = members.extractfile(member) if member.name.endswith(".rttm") else None
                if content is not None:
                    (folder / Path(member.name).name).write_bytes(content.read())
    except tarfile.TarError as error:
        raise ValueError(f"{archive}: is no tar archive, or a damaged one: {error}") from error
    if not any(folder.iterdir()):
        raise ValueError(f"{archive}: no file in it ends in .rttm; give an archive of RTTM files, such as those of AMI")


def _alm_beam(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "alm_beam", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"alm-beam {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")


def _short_windows(folder: Path) -> Path:
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
    return folder
