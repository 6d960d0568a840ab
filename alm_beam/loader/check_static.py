"""The checks of `alm-beam check-loader` that start no process: index, lines, sizes, texts, a saved state."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from alm_beam.loader.batching import batch_state
from alm_beam.loader.check import CheckConfig, keys_of
from alm_beam.loader.check_findings import FAILED, SKIPPED, Check, Finding, finding_of
from alm_beam.loader.check_runs import LoaderRecipe
from alm_beam.loader.mixture import Mixture
from alm_beam.loader.reader import Reader, WindowError
from alm_beam.loader.sources import OpenSource
from alm_beam.loader.state import merge_states
from alm_beam.storage.index.format import key_of
from alm_beam.storage.index.open import Index
from alm_beam.storage.paths import BLOCK_BYTES, errors_that_name, located
from alm_beam.storage.secrets import shown

_MAX_SCANNED_BYTES = 2 << 30
_SAMPLES = 64
_ROWS_AT_A_TIME = 1 << 20


def static_checks(
    config: CheckConfig, text_field: str, state: Any | None, batches: LoaderRecipe | None = None
) -> Iterator[Finding]:
    """Yields the finding of each check.

    Args:
        config: what is checked.
        text_field: field of the supervisions that must be a text; empty: no check.
        state: saved by an earlier run, or several states in lists and dictionaries; None: no check.
        batches: how batches are made, for a state of batches; None: their size was not stated.
    """
    for url, index in {each.source.url: each.index for each in config.sources}.items():
        yield _index_complete(url, index)
        yield _rows_readable(url, index)
        yield _none_repeated(url, index)
    yield _sources_large_enough(config)
    if text_field:
        yield _texts(config.sources, text_field)
    else:
        yield Finding(Check.TEXTS, SKIPPED, "no --text_field")
    yield _saved_state_fits(config.recipe, batches, state)


def _index_complete(url: str, index: Index) -> Finding:
    """Compares the index with the lines of the shards, which are found without it."""
    size = sum(shard.size for shard in index.shards)
    what = f"{shown(url)}: {len(index):,} rows, {len(index.shards):,} shards"
    if size > _MAX_SCANNED_BYTES:
        evidence = f"{what}; {size / 1e9:,.1f} GB are not scanned here: alm-beam index DIR --check does"
        return Finding(Check.INDEX_COMPLETE, SKIPPED, evidence)
    place = located(url, index.options)
    keys = []
    for shard in index.shards:
        path = f"{place.path}/{shard.name}"
        with errors_that_name(place.url(path)), place.fs.open(path, "rb", block_size=BLOCK_BYTES) as file:
            for line in file:
                keys.append(key_of(line.rstrip(b"\n")))
    known = index.rows["key"].tobytes()
    expected = sorted(known[at : at + 16] for at in range(0, len(known), 16))
    is_same = sorted(keys) == expected or _are_with_skipped(keys, expected, index.meta.skipped)
    faults = [] if is_same else ["the shards hold other lines than those that were indexed"]
    return finding_of(Check.INDEX_COMPLETE, f"{what}, {len(keys):,} lines", faults)


def _are_with_skipped(keys: Sequence[bytes], expected: Sequence[bytes], skipped: int) -> bool:
    """Whether the lines are those that were indexed and so many that were left out."""
    if not skipped or len(keys) != len(expected) + skipped:
        return False
    return not Counter(expected) - Counter(keys)


def _rows_readable(url: str, index: Index) -> Finding:
    """Reads rows one by one. The reader compares each line with its key."""
    reader, faults = Reader(index), []
    rows = spread(len(index))
    for row in rows:
        try:
            reader[row]
        except (WindowError, OSError) as error:
            faults.append(str(error))
    return finding_of(Check.ROWS_READABLE, f"{shown(url)}: {len(rows)} rows", faults)


def _none_repeated(url: str, index: Index) -> Finding:
    """Compares each row with the one before: rows of one label stand in the order of their keys."""
    repeated = _repeated_rows(index)
    faults = (
        f"row {row}, {_line(index, row)}: is the window of row {row - 1}, {_line(index, row - 1)}" for row in repeated
    )
    evidence = f"{shown(url)}: {len(index):,} rows, {len(index) - len(repeated):,} different windows"
    return finding_of(Check.NONE_REPEATED, evidence, faults)


def _repeated_rows(index: Index) -> list[int]:
    """The rows that have the key of the row before."""
    found: list[int] = []
    for at in range(0, len(index), _ROWS_AT_A_TIME):
        first = max(at - 1, 0)
        keys = keys_of(index, np.arange(first, min(at + _ROWS_AT_A_TIME, len(index))))
        found += (np.flatnonzero(keys[1:] == keys[:-1]) + first + 1).tolist()
    return found


def _line(index: Index, row: int) -> str:
    record = index.rows[row]
    return f"{index.shards[record['shard']].name} at byte {record['offset']:,}"


def spread(rows: int, count: int = _SAMPLES) -> list[int]:
    """So many row numbers, or all if there are not more, from the first row to the last."""
    return [int(row) for row in np.unique(np.linspace(0, rows - 1, min(count, rows)).astype(np.int64))]


def _sources_large_enough(config: CheckConfig) -> Finding:
    processes = config.world_size * (config.num_workers or 1)
    small = [
        f"source {number} has {each.rows:,} windows for {processes} processes: some get none of it"
        for number, each in enumerate(config.sources)
        if each.rows < processes
    ]
    evidence = f"{', '.join(f'{each.rows:,}' for each in config.sources[:8])} windows, {processes} processes"
    weights = [each.source.weight for each in config.sources if each.source.weight is not None]
    if weights and not config.recipe.repeat:
        mixture = Mixture([each.rows for each in config.sources], weights, repeat=False)
        evidence += f"; the weights hold up to step {mixture.steps_by_weight:,} of {mixture.steps:,}"
    return finding_of(Check.SOURCES_LARGE_ENOUGH, evidence, small)


def _texts(sources: Sequence[OpenSource], field: str) -> Finding:
    """Whether sampled windows have a text that is a string."""
    faults, count = [], 0
    for number, each in enumerate(sources):
        reader = Reader(each.index)
        for row in each.index_rows(np.array(spread(each.rows), np.int64)).tolist():
            count += 1
            window = reader[row]
            supervisions = window.get("supervisions")
            texts = [spoken.get(field) for spoken in supervisions or () if isinstance(spoken, dict)]
            wrong = [text for text in texts if text is not None and not isinstance(text, str)]
            if wrong or not any(texts):
                what = f"{field} is {wrong[0]!r}" if wrong else f"no supervision has a {field}"
                faults.append(f"source {number} row {row}: {what}")
    return finding_of(Check.TEXTS, f"{count} windows, supervisions[].{field}", faults)


def _saved_state_fits(recipe: LoaderRecipe, batches: LoaderRecipe | None, state: Any | None) -> Finding:
    if state is None:
        return Finding(Check.SAVED_STATE_FITS, SKIPPED, "no --state")
    try:
        merged = merge_states(state)
        is_of_batches = merged["format"] == batch_state.FORMAT
        made = batches if is_of_batches else recipe
        if made is None:
            return Finding(Check.SAVED_STATE_FITS, FAILED, "it is of batches; give the flags of these batches, too")
        made.loader(None).load_state_dict(merged)
    except ValueError as error:
        first, *lines = str(error).splitlines()
        return Finding(Check.SAVED_STATE_FITS, FAILED, first, tuple(lines))
    if is_of_batches:
        read = f"{merged['step'] + sum(merged['read'].values()):,} batches of each rank made"
    else:
        read = f"{sum(merged['positions'].values()):,} windows read"
    return finding_of(Check.SAVED_STATE_FITS, f"epoch {merged['epoch']}, {read}", [])
