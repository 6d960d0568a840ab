"""What can be said of a loader without running it: index, cuts, weights, sizes, texts, a saved state."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from alm_beam.loader.check import FAILED, SKIPPED, Finding, Trial, checked
from alm_beam.loader.mixture import Mixture
from alm_beam.loader.reader import Reader, WindowError
from alm_beam.loader.sources import OpenSource
from alm_beam.loader.state import merge_states
from alm_beam.storage.index.format import key_of
from alm_beam.storage.index.open import Index
from alm_beam.storage.paths import BLOCK_BYTES, errors_that_name, located
from alm_beam.storage.secrets import shown

_SCANNED_BYTES = 2 << 30
_SAMPLES = 64


def static_checks(trial: Trial, text_field: str, state: Any | None) -> Iterator[Finding]:
    """What is known before a process is started.

    Args:
        trial: what is tried; that its sources could be opened is a check passed.
        text_field: of the supervisions, which must be a text; empty: not looked at.
        state: saved by an earlier run, or several in lists and dictionaries; None: there is none.
    """
    indexes = {each.source.url: each.index for each in trial.sources}
    shards = sum(len(index.shards) for index in indexes.values())
    rows = sum(len(index) for index in indexes.values())
    yield _cannot("S1 seeds are integers", "a loader refuses all others")
    yield _cannot("S2 no two orders have one seed", "each has a key of its own: a hash of seed, epoch, source and pass")
    yield _cannot("S3 every source is indexed", "nothing else is read")
    yield Finding("S4 states are saved", SKIPPED, "Q4 and Q8 try it")
    yield checked("S6, S7, S8 index and cuts are sound", f"{rows:,} windows in {shards:,} shards, opened", [])
    for url, index in indexes.items():
        yield _scan(url, index)
        yield _any_row(url, index)
    weights = [each.source.weight for each in trial.sources]
    text = ", ".join("none" if weight is None else f"{weight:g}" for weight in weights[:8])
    yield checked("S11 weights are finite and above 0", text, [])
    yield _sizes(trial)
    yield _cannot("S13 all sources are read alike", "seed, order and partition are the loader's, not a source's")
    yield _cannot("S14 buckets are full enough", "no buckets are planned here")
    if text_field:
        yield _texts(trial.sources, text_field)
    else:
        yield Finding("S15 windows have texts", SKIPPED, "no --text_field")
    yield _saved(trial, state)


def _cannot(check: str, why: str) -> Finding:
    return Finding(check, SKIPPED, f"cannot be otherwise: {why}")


def _scan(url: str, index: Index) -> Finding:
    """Compares the index with the lines of the shards, found without it."""
    name = f"S8 the index has every line of {shown(url)}"
    size = sum(shard.size for shard in index.shards)
    if size > _SCANNED_BYTES:
        return Finding(
            name, SKIPPED, f"{size / 1e9:,.1f} GB are too much to scan here; alm-beam index DIR --check does"
        )
    place = located(url)
    keys = []
    for shard in index.shards:
        path = f"{place.path}/{shard.name}"
        with errors_that_name(place.url(path)), place.fs.open(path, "rb", block_size=BLOCK_BYTES) as file:
            for line in file:
                keys.append(key_of(line.rstrip(b"\n")))
    known = index.rows["key"].tobytes()
    expected = sorted(known[at : at + 16] for at in range(0, len(known), 16))
    faults = [] if sorted(keys) == expected else [f"the index has {len(index):,} rows, of other lines"]
    return checked(name, f"{len(keys):,} lines", faults)


def _any_row(url: str, index: Index) -> Finding:
    """Reads rows by themselves: each line is compared with its key."""
    reader, faults = Reader(index), []
    rows = np.unique(np.linspace(0, len(index) - 1, min(_SAMPLES, len(index))).astype(np.int64)).tolist()
    for row in rows:
        try:
            reader[row]
        except (WindowError, OSError) as error:
            faults.append(str(error))
    return checked(f"S9 any row of {shown(url)} can be read", f"{len(rows)} rows", faults)


def _sizes(trial: Trial) -> Finding:
    parts = trial.world_size * (trial.num_workers or 1)
    small = [
        f"source {number} has {each.rows:,} windows for {parts} processes: some get none of it"
        for number, each in enumerate(trial.sources)
        if each.rows < parts
    ]
    text = f"{', '.join(f'{each.rows:,}' for each in trial.sources[:8])} windows, {parts} processes"
    weights = [each.source.weight for each in trial.sources if each.source.weight is not None]
    if weights and not trial.made.repeat:
        mixture = Mixture([each.rows for each in trial.sources], weights, repeat=False)
        text += f"; the weights hold up to step {mixture.steps_by_weight:,} of {mixture.steps:,}"
    return checked("S12 each source has a window for each process", text, small)


def _texts(sources: Sequence[OpenSource], field: str) -> Finding:
    """Whether sampled windows have a text, of words."""
    faults, count = [], 0
    for number, each in enumerate(sources):
        reader = Reader(each.index)
        for row in np.unique(np.linspace(0, each.rows - 1, min(_SAMPLES, each.rows)).astype(np.int64)).tolist():
            count += 1
            window = reader[each.first + row]
            supervisions = window.get("supervisions")
            texts = [spoken.get(field) for spoken in supervisions or () if isinstance(spoken, dict)]
            wrong = [text for text in texts if text is not None and not isinstance(text, str)]
            if wrong or not any(texts):
                what = f"{field} is {wrong[0]!r}" if wrong else f"no supervision has a {field}"
                faults.append(f"source {number} row {each.first + row}: {what}")
    return checked("S15 windows have texts", f"{count} windows, supervisions[].{field}", faults)


def _saved(trial: Trial, state: Any | None) -> Finding:
    name = "S16 the saved state fits"
    if state is None:
        return Finding(name, SKIPPED, "no --state")
    try:
        merged = merge_states(state)
        trial.made.loader(None).load_state_dict(merged)
    except ValueError as error:
        first, *lines = str(error).splitlines()
        return Finding(name, FAILED, first, tuple(lines))
    return checked(name, f"epoch {merged['epoch']}, {sum(merged['positions'].values()):,} windows read", [])
