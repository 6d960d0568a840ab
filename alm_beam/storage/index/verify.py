"""The check of an index that reads everything."""

import tempfile
from collections.abc import Callable

import numpy as np

from alm_beam.storage.index.build import merged_meta
from alm_beam.storage.index.format import FOLDER, META, ROW, ROWS, Digest, IndexFault
from alm_beam.storage.index.meta import AGAIN, Meta
from alm_beam.storage.index.open import Index
from alm_beam.storage.index.rows import offsets_name
from alm_beam.storage.index.scan import scan_shard
from alm_beam.storage.index.unusable import UnusableLines
from alm_beam.storage.line_reader import read_fully
from alm_beam.storage.paths import BLOCK_BYTES, Located, errors_that_name, info_of, located
from alm_beam.storage.secrets import shown
from alm_beam.storage.tally import count

_ROWS_AT_A_TIME = 1 << 16


def verify_index(index: Index) -> UnusableLines:
    """Makes the index of the shards anew, in the temporary folder of this machine, and compares.

    It finds what `open_index` may overlook: lines that were rewritten at the same length, within a shard that kept its
    time; and rows of a rows.bin that is too large to be read whenever it is opened.

    Returns:
        The lines that the index leaves out.

    Raises:
        IndexFault: something differs, also in what a shard's `.idx` says, where it has one.
        OSError: something could not be read, or the temporary folder is full: it takes as much as rows.bin.
    """
    place = located(index.url, index.options)
    rows_digest = _checked_digest(index, shown(place.url(f"{place.path}/{FOLDER}/{ROWS}")))
    count(found=sum(shard.size for shard in index.shards))
    skipped = []
    with tempfile.TemporaryDirectory(prefix="alm_beam_") as parts:
        for shard in index.shards:
            part = scan_shard(index.url, shard.name, parts, index.options)
            if not index.meta.skipped:
                part.unusable.refuse()
            if part.shard != shard:
                where = shown(place.url(f"{place.path}/{shard.name}"))
                raise IndexFault(f"{where}: its lines are not those that were indexed; restore it, or {AGAIN}")
            _check_offsets(place, shard.name, parts)
            skipped.append(part.unusable)
        names = {shard.name: shard.name for shard in index.shards}
        digest = Digest()
        has_sets = index.meta.label_sets is not None
        found = merged_meta(located(parts), names, digest.add if has_sets else _without_sets(digest))
    if digest.hex() != rows_digest or not _are_same(found, index.meta):
        where = shown(place.url(f"{place.path}/{FOLDER}/{META}"))
        raise IndexFault(f"{where}: is not what the shards give; {AGAIN}")
    return UnusableLines.added(skipped)


def _check_offsets(place: Located, name: str, parts: str) -> None:
    """Compares the `.idx` beside a shard, if there is one, with what its scan has found."""
    path = f"{place.path}/{offsets_name(name)}"
    with errors_that_name(place.url(path)):
        if info_of(place.fs, path) is None:
            return
        with place.fs.open(path, "rb") as stated, open(f"{parts}/{offsets_name(name)}", "rb") as found:
            pieces = iter(lambda: (read_fully(stated, BLOCK_BYTES), read_fully(found, BLOCK_BYTES)), (b"", b""))
            is_other = any(one != another for one, another in pieces)
    if is_other:
        raise IndexFault(
            f"{shown(place.url(path))}: does not say where the lines of {name} begin; remove it, or {AGAIN}"
        )


def _checked_digest(index: Index, where: str) -> str:
    """The digest of what is known of rows.bin, when the whole of it has the digest that it should have."""
    whole, known = Digest(), Digest()
    add = known.add if index.meta.label_sets is not None else _without_sets(known)
    for at in range(0, len(index), _ROWS_AT_A_TIME):
        rows = index.rows[at : at + _ROWS_AT_A_TIME]
        whole.add(rows.data)
        add(rows.data)
    if whole.hex() != index.meta.rows_digest:
        raise IndexFault(f"{where}: its bytes are not those that were written; {AGAIN}")
    return known.hex()


def _without_sets(digest: Digest) -> Callable[[memoryview], None]:
    """What adds rows to a digest as if they had no label sets, which are ignored where index.json lists none."""

    def add(data: memoryview) -> None:
        rows = np.frombuffer(data, ROW).copy()
        rows["label_set"] = 0
        digest.add(rows.data)

    return add


def _are_same(found: Meta, stated: Meta) -> bool:
    """Whether an index that was made anew is the stated one, of this version or an earlier one."""
    repeated = stated.repeated_windows
    return (
        found.rows == stated.rows
        and found.fingerprint == stated.fingerprint
        and (found.duration, found.labels, found.shards) == (stated.duration, stated.labels, stated.shards)
        and found.skipped == stated.skipped
        and stated.label_sets in (None, found.label_sets)
        and (repeated is None or found.repeated_windows == repeated)
    )
