"""What the job that writes shards would make of a sample of its windows, in this process and in memory."""

import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
import orjson

from alm_beam.core.audio_member import FIELD
from alm_beam.core.estimate import Part, add_to
from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import ManifestLine, Reject, without_bom
from alm_beam.core.shards_config import ShardsConfig
from alm_beam.core.shards_stats import ShardsStats
from alm_beam.jobs.sample import CPU, REJECTED, Sample, reject_bytes
from alm_beam.jobs.sampled_files import INDEX, INDEX_JSON, OFFSET_BYTES, OFFSETS, index_size, statistics_size
from alm_beam.report.table import counted
from alm_beam.shards.card import data_card
from alm_beam.shards.format import Partition
from alm_beam.shards.input_cfg import input_cfg
from alm_beam.shards.own_audio import own_audio_cut
from alm_beam.shards.registry import FORMATS
from alm_beam.storage.audio_places import AudioPlaces
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.index.format import ROW
from alm_beam.storage.line_spans import gives_parts
from alm_beam.storage.lines import ReadRange, lines_in, shown_name
from alm_beam.storage.outputs import CARD, CUTS, INPUT_CFG, REJECTS, SHARDS_STATS
from alm_beam.storage.plan_file import PlannedFile, PlannedShard, lines_of
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.shard_plan import ShardPlan
from alm_beam.transforms.made_shard import count_window
from alm_beam.transforms.sliced_windows import MadeWindow, WindowSlicer

WINDOWS = "windows"

_RUNS = 8
"""From so many places of the plan windows are made,"""

_AT_ONCE = 3
"""so many that follow each other: those of one recording share the decoding of it."""

_AUDIO_SECONDS = 5.0
"""After so much time no more windows are made."""

_ONCE = ".yaml"
"""The ending of what describes all shards of a format, which has no line for each of them."""

_SAMPLE_BYTES = 12
"""Of memory, that a sample of a window takes: as it was decoded, as it is resampled and as it is encoded."""


def sampled_shards(
    config: ShardsConfig, plan: ShardPlan, roots: Sequence[str], folder: RunFolder, facts: Mapping[str, Any]
) -> Sample:
    """A sample of what the job would make of its plan.

    Args:
        config: what the run is told.
        plan: of its shards.
        roots: folders that relative paths of audio files may be below.
        folder: the run's.
        facts: what the file of statistics states beside them.

    Raises:
        ManifestReadError, OSError: something cannot be read.
    """
    form, options = config.layout.format, folder.options
    count = len(plan.windows)
    is_all = count <= _RUNS * _AT_ONCE
    outputs = [form, CUTS.name, OFFSETS, INDEX, REJECTS.name]
    sample = Sample(count, is_all, outputs, what=WINDOWS, used=WINDOWS)
    stats = ShardsStats(shards=len(plan.ends))
    sample.notes.append(
        f"the plan has {counted('{}|window', count)} in {counted('{}|shard', len(plan))}, as 16-bit WAV "
        f"{int(plan.sizes.sum()) / 1e6:,.1f} MB"
    )
    begins = range(0, count, _AT_ONCE) if is_all else [number * count // _RUNS for number in range(_RUNS)]
    began = time.perf_counter()
    for begin in begins:
        if time.perf_counter() - began > _AUDIO_SECONDS:
            sample.is_all = False
            break
        rows = np.arange(begin, min(begin + _AT_ONCE, count))
        sample.looked_at += len(rows)
        sample.parts.append(_made(config, plan, rows.tolist(), roots, options, sample, stats))
        add_to(sample.counted, sample.parts[-1].amounts)
    stats.rejected = sample.rejected
    sample.files |= _files(form, folder, stats, facts)
    return sample


def _files(form: str, folder: RunFolder, stats: ShardsStats, facts: Mapping[str, Any]) -> dict[str, int]:
    """The bytes of the files that a run writes once, if the rest is as these windows."""
    loaded = input_cfg(form, folder.url, stats.shards, stats.audio_seconds, {})
    return {
        SHARDS_STATS: statistics_size(stats, facts),
        INDEX_JSON: index_size(stats.recordings, stats.audio_seconds),
        CARD: len(data_card(stats, facts).encode()),
        **({INPUT_CFG: len(loaded.encode())} if loaded is not None else {}),
    }


def _made(
    config: ShardsConfig,
    plan: ShardPlan,
    rows: Sequence[int],
    roots: Sequence[str],
    options: StorageOptions,
    sample: Sample,
    stats: ShardsStats,
) -> Part:
    """A shard of these windows, made in memory; they are counted."""
    written, form = dict[str, bytes](), config.layout.format

    @contextmanager
    def opened(path: str) -> Iterator[BytesIO]:
        file = BytesIO()
        yield file
        written[path] = file.getvalue()

    begin = time.perf_counter()
    partition = plan.partitions[int(np.searchsorted(plan.ends, rows[0], side="right"))]
    writer = FORMATS[form].writer(0, len(plan), Partition(*partition), opened)
    slicer = WindowSlicer(config, AudioPlaces(roots, options), options, lambda url: None)
    amounts = dict.fromkeys((WINDOWS, "hours", REJECTED, CUTS.name, OFFSETS, INDEX, REJECTS.name), 0.0)
    for found in slicer.windows(zip(_lines(plan, rows, options), plan.windows["copy"][rows].tolist())):
        reject = found if isinstance(found, Reject) else None
        if isinstance(found, MadeWindow):
            try:
                cut = own_audio_cut(found.sliced)
                cut["custom"][FIELD] = writer.add(found.sliced).to_dict()
            except BadEntry as fault:
                reject = found.planned.rejected(fault)
            else:
                count_window(stats, found)
                amounts[WINDOWS] += 1
                amounts["hours"] += found.sliced.samples / found.sliced.sample_rate / 3600
                amounts[CUTS.name] += len(orjson.dumps(cut)) + 1
                amounts[OFFSETS] += OFFSET_BYTES
                amounts[INDEX] += ROW.itemsize
                sample.longest = max(sample.longest, _SAMPLE_BYTES * found.sliced.samples * found.sliced.channels)
        if reject is not None:
            amounts[REJECTED] += 1
            amounts[REJECTS.name] += reject_bytes(reject.line, reject.fault)
            sample.rejected[reject.fault.reason.value] += 1
    FORMATS[form].whole([writer.finish()], lambda path: iter([written[path]]), opened)
    sample.files |= {path: len(written.pop(path)) for path in [*written] if path.endswith(_ONCE)}
    amounts[form] = sum(_size(path, data) for path, data in written.items())
    amounts[CPU] = time.perf_counter() - begin
    return Part(rows[0], len(rows), amounts)


def _size(path: str, data: bytes) -> int:
    """That of a file of a shard, without the end of a tar, which a shard has once however many windows it has."""
    if not path.endswith(".tar"):
        return len(data)
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        return sum(tarfile.BLOCKSIZE * (1 - -each.size // tarfile.BLOCKSIZE) for each in tar)


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
