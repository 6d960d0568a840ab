"""Making an index: each shard is scanned into sorted runs of rows, and the runs are merged.

Memory does not grow with the shards. Every file is written whole and with the same content by whoever writes it, so a
runner may do any part of it again, or twice at the same time.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from alm_beam.storage.connections import NO_OPTIONS, StorageOptions
from alm_beam.storage.index.claim import release_claim, sole_maker
from alm_beam.storage.index.fingerprint import Fingerprint, LabelSetTotals
from alm_beam.storage.index.format import FOLDER, META, ROWS, SHARD_NAME, Digest, IndexExistsError, IndexFault
from alm_beam.storage.index.merge import Run, merged
from alm_beam.storage.index.meta import VERSION, Meta, encoded_meta
from alm_beam.storage.index.open import check_files
from alm_beam.storage.index.rows import offsets_name, read_part, run_path
from alm_beam.storage.index.scan import find_shards, scan_shard
from alm_beam.storage.index.unusable import UnusableLines
from alm_beam.storage.options import options_by_protocol
from alm_beam.storage.paths import (
    Located,
    errors_that_name,
    files_below,
    info_of,
    located,
    make_folder,
    modified,
    move,
    remove_folder,
    version_of,
    written_whole,
)
from alm_beam.storage.search import BEAM_TEMPORARY
from alm_beam.storage.secrets import shown

PARTS = f"{BEAM_TEMPORARY}{FOLDER}-parts"
"""What the folders, in that of the cuts, begin with of what an index is made from."""


class MadeIndex(NamedTuple):
    """An index that was made.

    Attributes:
        meta: what index.json holds.
        skipped: lines that were left out.
    """

    meta: Meta
    skipped: UnusableLines


def merge_parts(parts: str, names: Mapping[str, str], folder: str, options: StorageOptions = NO_OPTIONS) -> Meta:
    """Makes the index of shards that were scanned: rows.bin, and then index.json.

    Args:
        parts: the folder of the runs.
        names: the shards, by the names under which they were scanned; the order of both is the same.
        folder: for the index.
        options: fsspec's.
    """
    runs, place = located(parts, options), located(folder, options)
    with errors_that_name(place.url(place.path)):
        with written_whole(place.fs, f"{place.path}/{ROWS}", runs.path) as file:
            meta = merged_meta(runs, names, file.write)
        with written_whole(place.fs, f"{place.path}/{META}", runs.path) as file:
            file.write(encoded_meta(meta))
    return meta


def merged_meta(parts: Located, names: Mapping[str, str], write: Callable[[memoryview], object]) -> Meta:
    """What is to be known of the index of shards that were scanned.

    Args:
        parts: the folder of their runs.
        names: see `merge_parts`.
        write: is given rows.bin, a block at a time.
    """
    found = [read_part(parts, name) for name in sorted(names)]
    labels = sorted({label for part in found for run in part.runs for label in run.labels})
    numbers = {label: number for number, label in enumerate(labels)}
    label_sets = sorted({each for part in found for run in part.runs for each in run.label_sets})
    set_numbers = {each: number for number, each in enumerate(label_sets)}
    runs = [
        Run(
            run_path(parts, part.shard.name, at),
            run.rows,
            shard,
            tuple(numbers[label] for label in run.labels),
            tuple(set_numbers[each] for each in run.label_sets),
        )
        for shard, part in enumerate(found)
        for at, run in enumerate(part.runs)
    ]
    rows_digest, fingerprint, totals = Digest(), Fingerprint(labels), LabelSetTotals(label_sets)
    for block in merged(parts.fs, runs, parts.path):
        rows_digest.add(block.data)
        fingerprint.add(block)
        totals.add(block)
        write(block.data)
    return Meta(
        version=VERSION,
        rows=sum(run.rows for run in runs),
        duration=fingerprint.seconds(),
        rows_digest=rows_digest.hex(),
        fingerprint=fingerprint.hex(),
        labels=fingerprint.labels(),
        label_sets=totals.label_sets(),
        shards=tuple(msgspec.structs.replace(part.shard, name=names[part.shard.name]) for part in found),
        repeated_windows=fingerprint.repeated,
        skipped=sum(part.unusable.total for part in found),
    )


def build_index(
    url: str, *, overwrite: bool = False, skip_unusable: bool = False, storage_options: Mapping[str, Any] | None = None
) -> Meta:
    """Makes the index of the cuts in a folder, in this process.

    Beside each shard it also puts the `.idx` by which Lhotse 2 reads it, in place of one that is there.

    Args:
        url: the folder of `cuts*.jsonl`; a path or any fsspec URL.
        overwrite: replace an index that is there. It stays until the new one is complete.
        skip_unusable: leave out lines that cannot be indexed (a MixedCut, NaN, a blank line), instead of refusing all;
            `skipped` of what is returned says how many there are.
        storage_options: fsspec's, as for `alm_beam.run`.

    Raises:
        IndexFault: there is an index, which is not to be overwritten; no shard; one that cannot be indexed; or another
            process makes the index of this folder.
        StorageOptionsError: the storage options are malformed.
        OSError: something could not be read or written.

    >>> meta = build_index(windows, overwrite=True)  # a folder of cuts
    >>> meta.rows, len(meta.shards)
    (8, 1)
    """
    options = options_by_protocol(storage_options, [url])
    return make_index(url, overwrite=overwrite, skip_unusable=skip_unusable, options=options).meta


def make_index(url: str, *, overwrite: bool, skip_unusable: bool, options: StorageOptions) -> MadeIndex:
    """What `build_index` does; it also tells which lines were left out.

    Raises:
        IndexExistsError: there is an index, which is not to be overwritten. Nothing was written.
        IndexFault, OSError: see `build_index`.
    """
    place = located(url, options)
    names = find_shards(url, options)
    if not overwrite:
        _refuse_to_replace(place)
    with sole_maker(place) as check_sole:
        if not overwrite:  # one may have been made since
            _refuse_to_replace(place)
        _clear_parts_of_others(place)
        parts = f"{url.rstrip('/')}/{PARTS}-{uuid.uuid4().hex}"
        before = _versions(place)
        try:
            skipped = UnusableLines.added(scan_shard(url, name, parts, options).unusable for name in names)
            if not skip_unusable:
                skipped.refuse()
            meta = merge_parts(parts, dict(zip(names, names)), f"{parts}/{FOLDER}", options)
            if skipped.total and not meta.rows:
                what = f"no line can be indexed, of {skipped.summary()}"
                raise IndexFault(f"{shown(url)}: {what}: {'; '.join(skipped.listed())}")
            _refuse_changed(place, {name: before.get(name) for name in names})
            check_sole()
            _publish(place, located(parts, options).path, [offsets_name(name) for name in names])
        except OSError:
            check_sole()  # what is missing may have been removed by who took over
            raise
        finally:
            clear_parts(parts, options)
        check_files(place, meta)
    return MadeIndex(meta, skipped)


def remove_unfinished(url: str, options: StorageOptions, process: int) -> bool:
    """Removes what a process has left that was ended while it made the index of a folder.

    Args:
        url: the folder of the cuts.
        options: fsspec's.
        process: the one that was ended; of this machine.

    Returns:
        Whether there is an index.

    Raises:
        IndexFault: another process makes the index now. Nothing was removed.
        OSError: something could not be removed.
    """
    place = located(url, options)
    release_claim(place, process)
    with sole_maker(place):
        _clear_parts_of_others(place)
    with errors_that_name(place.url(place.path)):
        return info_of(place.fs, f"{place.path}/{FOLDER}/{META}") is not None


def clear_parts(parts: str, options: StorageOptions = NO_OPTIONS) -> None:
    """Removes what an index was made from."""
    _remove_folder(located(parts, options))


def _clear_parts_of_others(place: Located) -> None:
    """Removes what is left of processes that were killed."""
    place.fs.invalidate_cache()
    with errors_that_name(place.url(place.path)):
        found = [info["name"].rstrip("/") for info in place.fs.ls(place.path, detail=True)]
    for path in found:
        if path.rpartition("/")[2].startswith(PARTS):
            _remove_folder(place._replace(path=path))


def _remove_folder(place: Located) -> None:
    with errors_that_name(place.url(place.path)):
        remove_folder(place.fs, place.path)


def _versions(place: Located) -> dict[str, tuple[Any, ...]]:
    """What tells whether a shard was changed, for each shard of the folder."""
    place.fs.invalidate_cache()
    with errors_that_name(place.url(place.path)):
        found = {path.rpartition("/")[2]: info for path, info in files_below(place.fs, place.path, 1)}
    shards = {name: info for name, info in found.items() if SHARD_NAME.fullmatch(name)}
    return {name: (info["size"], modified(info), version_of(info)) for name, info in shards.items()}


def _refuse_changed(place: Located, before: Mapping[str, tuple[Any, ...] | None]) -> None:
    """Refuses shards that were added, removed or changed while others were read."""
    after = _versions(place)
    for name in sorted(before.keys() | after.keys()):
        if name not in before or after.get(name) != before[name]:
            where = shown(place.url(f"{place.path}/{name}"))
            raise IndexFault(f"{where}: was changed while the cuts were indexed; start again when nothing writes there")


def _refuse_to_replace(place: Located) -> None:
    meta = f"{place.path}/{FOLDER}/{META}"
    with errors_that_name(place.url(meta)):
        exists = info_of(place.fs, meta) is not None
    if exists:
        raise IndexExistsError(f"{shown(place.url(meta))}: there is an index; give --overwrite to make it again")


def _publish(place: Located, parts: str, offsets: Sequence[str]) -> None:
    """Puts a whole index in place. Between two files, there is none, rather than one of both the old and the new.

    Args:
        place: the folder of the cuts.
        parts: the path of the folder of what is to be put in place.
        offsets: the names of the files that are to stand beside the shards.
    """
    target = f"{place.path}/{FOLDER}"
    with errors_that_name(place.url(target)):
        make_folder(place.fs, target)
        if info_of(place.fs, f"{target}/{META}") is not None:
            place.fs.rm_file(f"{target}/{META}")
        move(place.fs, [f"{parts}/{name}" for name in offsets], [f"{place.path}/{name}" for name in offsets])
        for name in (ROWS, META):
            move(place.fs, [f"{parts}/{FOLDER}/{name}"], [f"{target}/{name}"])
        place.fs.invalidate_cache()
