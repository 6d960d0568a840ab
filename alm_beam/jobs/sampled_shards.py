"""What the job that writes shards would make of a sample of its windows, in this process and in memory."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import numpy as np
import orjson

from alm_beam.core.audio_member import FIELD
from alm_beam.core.estimate import Part
from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import ManifestLine, Reject, serialise_reject, without_bom
from alm_beam.core.shards_config import ShardsConfig
from alm_beam.jobs.sample import CPU, REJECTED, Sample
from alm_beam.shards.format import Partition
from alm_beam.shards.own_audio import own_audio_cut
from alm_beam.shards.registry import FORMATS
from alm_beam.storage.audio_places import AudioPlaces
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.index.format import ROW
from alm_beam.storage.line_spans import gives_parts
from alm_beam.storage.lines import ReadRange, lines_in, shown_name
from alm_beam.storage.outputs import CUTS, REJECTS
from alm_beam.storage.plan_file import PlannedFile, PlannedShard, lines_of
from alm_beam.storage.shard_plan import ShardPlan
from alm_beam.transforms.sliced_windows import MadeWindow, WindowSlicer

WINDOWS = "windows"

_RUNS = 8
"""From so many places of the plan windows are made,"""

_AT_ONCE = 3
"""so many that follow each other: those of one recording share the decoding of it."""

_AUDIO_SECONDS = 5.0
"""After so much time no more windows are made."""

_INDEX = "index"
_SAMPLE_BYTES = 12
"""Of memory, that a sample of a window takes: as it was decoded, as it is resampled and as it is encoded."""


def sampled_shards(config: ShardsConfig, plan: ShardPlan, roots: Sequence[str], options: StorageOptions) -> Sample:
    """A sample of what the job would make of its plan.

    Args:
        config: what the run is told.
        plan: of its shards.
        roots: folders that relative paths of audio files may be below.
        options: fsspec's, by protocol.

    Raises:
        ManifestReadError, OSError: something cannot be read.
    """
    form = config.layout.format
    count = len(plan.windows)
    is_all = count <= _RUNS * _AT_ONCE
    outputs = [form, CUTS.name, _INDEX, REJECTS.name]
    sample = Sample(count, is_all, outputs, what=WINDOWS)
    sample.notes.append(
        f"the plan has {count:,} windows in {len(plan):,} shards, as 16-bit WAV {int(plan.sizes.sum()) / 1e6:,.1f} MB"
    )
    begins = range(0, count, _AT_ONCE) if is_all else [number * count // _RUNS for number in range(_RUNS)]
    began = time.perf_counter()
    for begin in begins:
        if time.perf_counter() - began > _AUDIO_SECONDS:
            sample.is_all = False
            break
        rows = np.arange(begin, min(begin + _AT_ONCE, count))
        sample.looked_at += len(rows)
        sample.parts.append(_made(config, plan, rows.tolist(), roots, options, sample))
    return sample


def _made(
    config: ShardsConfig,
    plan: ShardPlan,
    rows: Sequence[int],
    roots: Sequence[str],
    options: StorageOptions,
    sample: Sample,
) -> Part:
    """A shard of these windows, made in memory."""
    written, form = list[int](), config.layout.format

    @contextmanager
    def opened(_: str) -> Iterator[_Counted]:
        file = _Counted()
        yield file
        written.append(file.size)

    begin = time.perf_counter()
    partition = plan.partitions[int(np.searchsorted(plan.ends, rows[0], side="right"))]
    writer = FORMATS[form].writer(0, len(plan), Partition(*partition), opened)
    slicer = WindowSlicer(config, AudioPlaces(roots, options), options, lambda url: None)
    amounts = dict.fromkeys((WINDOWS, "hours", REJECTED, CUTS.name, _INDEX, REJECTS.name), 0.0)
    for found in slicer.windows(zip(_lines(plan, rows, options), plan.windows["copy"][rows].tolist())):
        reject = found if isinstance(found, Reject) else None
        if isinstance(found, MadeWindow):
            try:
                cut = own_audio_cut(found.sliced)
                cut["custom"][FIELD] = writer.add(found.sliced).to_dict()
            except BadEntry as fault:
                reject = found.planned.rejected(fault)
            else:
                amounts[WINDOWS] += 1
                amounts["hours"] += found.sliced.samples / found.sliced.sample_rate / 3600
                amounts[CUTS.name] += len(orjson.dumps(cut)) + 1
                amounts[_INDEX] += ROW.itemsize
                sample.longest = max(sample.longest, _SAMPLE_BYTES * found.sliced.samples * found.sliced.channels)
        if reject is not None:
            amounts[REJECTED] += 1
            amounts[REJECTS.name] += len(serialise_reject(reject)) + 1
            sample.rejected[reject.fault.reason.value] += 1
    writer.finish()
    amounts[form] = sum(written)
    amounts[CPU] = time.perf_counter() - begin
    return Part(rows[0], len(rows), amounts)


def _lines(plan: ShardPlan, rows: Sequence[int], options: StorageOptions) -> Iterator[ManifestLine]:
    """The lines of windows of a plan; where their files give no parts, as compressed ones, the first lines instead."""
    windows = plan.windows[rows].copy()
    numbers = np.unique(windows["file"]).tolist()
    manifests = [plan.manifests[number] for number in numbers]
    if not all(gives_parts(each, options) for each in manifests):
        lines = lines_in(ReadRange(tuple(manifests)), options)
        yield from (line._replace(text=without_bom(line)) for line in islice(lines, len(rows)))
        return
    windows["file"] = np.searchsorted(numbers, windows["file"])
    files = tuple(PlannedFile(each.path, shown_name(each)) for each in manifests)
    faults = {at: plan.faults[row] for at, row in enumerate(rows) if row in plan.faults}
    yield from lines_of(PlannedShard(plan.key, 0, ("", "", ""), files, windows, faults), options)


class _Counted:
    """A file of which its size alone is kept."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> None:
        """Counts the bytes."""
        self.size += len(data)
