"""The plan of a run that writes shards: which windows go into which shard, in which order.

It is a function of the cuts and of the parameters alone. It is made once, reading each file once, and written to one
file of the run; from then on whoever makes a shard reads no more than that shard's part of it, and its lines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from alm_beam.core.config import EntryConfig
from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import without_bom
from alm_beam.core.shards_config import WINDOWS_PER_SHARD, LayoutConfig, ShardsConfig
from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.cut_columns import PLANNED, Columns, CutColumns
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.index.format import Digest, IndexFault, key_of
from alm_beam.storage.index.meta import AGAIN
from alm_beam.storage.index.open import Index
from alm_beam.storage.index.scan import whole_lines
from alm_beam.storage.lines import ReadRange, lines_in, shown_name
from alm_beam.storage.paths import canonical, located
from alm_beam.storage.secrets import shown
from alm_beam.storage.shard_layout import ShardLimits, shard_ends

_VERSION = 1
"""Raised when the same cuts and parameters give another plan, or shards with other bytes."""

Source: TypeAlias = Index | Manifest
"""Cuts of a folder with an index, or a file of cuts."""

Ends: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ShardPlan:
    """What is made shard by shard.

    Attributes:
        key: 32 hexadecimal digits, which are others for other windows, another order, or other parameters.
        manifests: the files of the cuts.
        windows: records of PLANNED, in the order in which the shards hold them.
        ends: the position behind the last window of each shard.
        sizes: about how many bytes of audio each shard has.
        partitions: corpus, split and language of each shard; empty texts where the format knows none.
        faults: of those lines that cannot be used whatever they hold, by position in `windows`.
    """

    key: str
    manifests: tuple[Manifest, ...]
    windows: Columns
    ends: Ends
    sizes: Ends
    partitions: tuple[tuple[str, str, str], ...]
    faults: Mapping[int, BadEntry]

    @property
    def files(self) -> tuple[str, ...]:
        """The URLs of the files. They may hold credentials."""
        return tuple(each.path for each in self.manifests)

    def __len__(self) -> int:
        """The number of shards."""
        return len(self.ends)


def planned(sources: Sequence[Source], config: ShardsConfig, options: StorageOptions = NO_OPTIONS) -> ShardPlan:
    """The plan of a run. Each file is read once; a million windows take some 200 MB while it is made.

    Each file is taken once, and files in the order of their names, however they were given. Every line of a file that
    is not blank is planned, so that what is no cut can be rejected by whoever reads it. Of a folder with an index, the
    lines are planned that the index has: it may have been made without those that nothing can read.

    Args:
        sources: opened indexes, and files of cuts.
        config: of the run.
        options: fsspec's, by protocol.

    Raises:
        IndexFault: an index is of other lines than the files hold.
        ManifestReadError: a file cannot be read, has changed, or is compressed and not whole.

    >>> from alm_beam.storage.index.open import open_index
    >>> plan = planned([open_index(windows)], ShardsConfig((windows,), "out", layout=LayoutConfig(windows_per_shard=5)))
    >>> len(plan.windows), plan.ends.tolist()
    (8, [4, 8])
    """
    columns = CutColumns(config)
    manifests: list[Manifest] = []
    for manifest, rows in _files(sources, options):
        before = len(columns)
        if rows is None:
            _add_lines(columns, manifest, len(manifests), options)
        else:
            _add_indexed(columns, manifest, len(manifests), rows, options)
        if len(columns) > before:  # or a file without a cut would make another plan
            manifests.append(manifest)
    table = columns.table()
    order = _order(table, columns.partitions, config.layout)
    ends, partitions = _shards(table, order, columns.partitions, config.layout)
    positions = np.empty(len(order) if columns.faults else 0, np.int64)
    if columns.faults:
        positions[order] = np.arange(len(order))
    faults = {int(positions[row]): fault for row, fault in columns.faults.items()}
    copies = _copies(table["id"][order])
    windows = np.empty(len(table), PLANNED)
    for name in PLANNED.names or ():
        windows[name] = copies if name == "copy" else table[name][order]
    return ShardPlan(
        _key(windows, manifests, config, options),
        tuple(manifests),
        windows,
        ends,
        np.add.reduceat(table["bytes"][order], np.concatenate(([0], ends[:-1]))) if len(ends) else ends,
        partitions,
        dict(sorted(faults.items())),
    )


class _Rows(NamedTuple):
    """Rows of an index.

    Attributes:
        opened: the index.
        numbers: of those rows that are of one shard, in the order of its lines.
    """

    opened: Index
    numbers: Ends


def _files(sources: Sequence[Source], options: StorageOptions) -> list[tuple[Manifest, _Rows | None]]:
    """Each file once, by name; a shard of an index with its rows."""
    found: dict[str, tuple[Manifest, _Rows | None]] = {}
    for source in sources:
        if isinstance(source, Index):
            place = located(source.url, options)
            order = np.lexsort((source.rows["offset"], source.rows["shard"]))
            bounds = np.searchsorted(source.rows["shard"][order], np.arange(1, len(source.shards)))
            for shard, numbers in zip(source.shards, np.split(order, bounds)):
                url = place.url(f"{place.path}/{shard.name}")
                found[canonical(url, options)] = Manifest(url, shard.size), _Rows(source, numbers)
        else:
            found.setdefault(source.name or canonical(source.path, options), (source, None))
    return [found[name] for name in sorted(found)]


def _add_lines(columns: CutColumns, manifest: Manifest, file: int, options: StorageOptions) -> None:
    for line in lines_in(ReadRange((manifest,)), options, EntryConfig.max_line_bytes):
        columns.add(file, line.offset, len(line.text), key_of(line.text), without_bom(line), line.fault)


def _add_indexed(columns: CutColumns, manifest: Manifest, file: int, rows: _Rows, options: StorageOptions) -> None:
    place, where = located(manifest.path, options), shown(manifest.path)
    records, numbers = rows.opened.rows, rows.numbers
    starts, lengths = records["offset"][numbers].astype(np.int64), records["length"][numbers]
    at = size = behind = 0
    for data in whole_lines(place, place.path):
        stop = int(np.searchsorted(starts, size + len(data)))
        keys = records["key"][numbers[at:stop]].tolist()
        for start, length, key in zip(starts[at:stop].tolist(), lengths[at:stop].tolist(), keys):
            text = data[start - size : start - size + length]
            if key_of(text) != key or start < behind:
                raise _not_indexed(where, start)
            behind = start + length + 1
            columns.add(file, start, length, key, text)
        at, size = stop, size + len(data)
    if at < len(numbers) or size != manifest.size:
        raise _not_indexed(where, int(starts[at]) if at < len(numbers) else size)


def _not_indexed(where: str, offset: int) -> IndexFault:
    return IndexFault(
        f"{where}: the line at byte {offset} is not the one that was indexed: the file was rewritten since; "
        f"restore it, or {AGAIN}"
    )


def _order(table: Columns, partitions: list[tuple[str, str, str]], layout: LayoutConfig) -> Ends:
    """The rows of the table in the order of the plan."""
    ranks = np.empty(len(partitions), np.int64)
    ranks[sorted(range(len(partitions)), key=partitions.__getitem__)] = np.arange(len(partitions))
    partition = ranks[table["partition"]]
    places = (table["offset"], table["file"])
    if layout.order == "recording":
        return np.lexsort((*places, table["start"], _groups(table, layout), partition))
    seed = layout.seed % (1 << 64)
    keys = table["key"].tobytes()
    drawn = (xxh3_64_intdigest(keys[at : at + 16], seed) for at in range(0, len(keys), 16))
    halves = np.frombuffer(keys, "<u8").reshape(-1, 2)  # tell apart what was drawn alike
    return np.lexsort((*places, *halves.T, np.fromiter(drawn, np.uint64, len(table)), partition))


def _groups(table: Columns, layout: LayoutConfig) -> Ends:
    """For each row a number that those have in common that belong together: the row where these appear first."""
    if layout.order != "recording":
        return np.arange(len(table))
    _, first, inverse = np.unique(table["recording"], return_index=True, return_inverse=True)
    found: Ends = first[inverse]
    return found


def _shards(
    table: Columns, order: Ends, partitions: list[tuple[str, str, str]], layout: LayoutConfig
) -> tuple[Ends, tuple[tuple[str, str, str], ...]]:
    """Where the shards end, and the partition of each."""
    default = 0 if layout.shard_bytes else WINDOWS_PER_SHARD
    limits = ShardLimits(layout.windows_per_shard or default, layout.shard_bytes)
    groups, sizes, partition = _groups(table, layout)[order], table["bytes"][order], table["partition"][order]
    bounds = [*(np.flatnonzero(partition[1:] != partition[:-1]) + 1).tolist(), len(order)] if len(order) else []
    found, names, begin = [np.empty(0, np.int64)], list[tuple[str, str, str]](), 0
    for end in bounds:
        ends = shard_ends(groups[begin:end], sizes[begin:end], limits) + begin
        found.append(ends)
        names += [partitions[partition[begin]]] * len(ends)
        begin = end
    return np.concatenate(found), tuple(names)


def _copies(ids: npt.NDArray[np.uint64]) -> Ends:
    """For each id, how many before it are the same."""
    order = np.argsort(ids, kind="stable")
    positions = np.arange(len(ids))
    is_first = np.ones(len(ids), bool)
    is_first[1:] = ids[order][1:] != ids[order][:-1]
    copies = np.empty(len(ids), np.int64)
    copies[order] = positions - np.maximum.accumulate(np.where(is_first, positions, 0))
    return copies


def _key(windows: Columns, manifests: list[Manifest], config: ShardsConfig, options: StorageOptions) -> str:
    digest = Digest()
    names = [shown_name(each) if each.name else shown(canonical(each.path, options)) for each in manifests]
    digest.add(msgspec.json.encode([_VERSION, asdict(config.layout), asdict(config.audio), names]))
    for column in ("key", "file"):
        digest.add(np.ascontiguousarray(windows[column]).tobytes())
    return digest.hex()
