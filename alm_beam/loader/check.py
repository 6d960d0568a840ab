"""The checks of `alm-beam check-loader` that run the loader, in a process for each rank and worker."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from alm_beam.loader.check_findings import SKIPPED, Check, Finding, finding_of
from alm_beam.loader.check_runs import (
    LoaderRecipe,
    PassRequest,
    PassResult,
    Results,
    Worker,
    run_alone,
    run_workers,
    workers_of,
)
from alm_beam.loader.partition import Partition
from alm_beam.loader.permutation import Positions
from alm_beam.loader.reader import Reader
from alm_beam.loader.sources import OpenSource
from alm_beam.loader.state import merge_states
from alm_beam.loader.state_format import FORMAT, with_checksum
from alm_beam.storage.index.open import Index

_FEW = 5
"""So many windows can have the same order in two epochs by chance."""

_LAUNCHED = {
    "torchrun": {"WORLD_SIZE": "2", "RANK": "0"},
    "srun": {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"},
}
"""What launchers tell the first of two processes."""


@dataclass(frozen=True)
class CheckConfig:
    """What is checked, and how.

    Attributes:
        recipe: how the loader is made.
        sources: what it reads, opened.
        world_size: number of ranks.
        num_workers: workers of each rank; 0: the rank itself reads.
        limit: how many windows a process reads of a pass at most.
    """

    recipe: LoaderRecipe
    sources: tuple[OpenSource, ...]
    world_size: int
    num_workers: int
    limit: int


def run_checks(config: CheckConfig) -> Iterator[Finding]:
    """Runs the loader in processes of its own, and yields the finding of each check."""
    recipe, world_size, num_workers, limit = config.recipe, config.world_size, config.num_workers, config.limit
    first_two = [PassRequest(epoch=0, limit=limit, saves=True), PassRequest(limit=limit)]
    base = run_workers(recipe, world_size, num_workers, lambda _: first_two)
    broken = [f"{worker}: {result.error}" for worker, results in base.items() for result in results if result.error]
    read = sum(len(results[0].tokens) for results in base.values())
    yield finding_of(Check.PROCESSES_READ, f"{len(base)} processes, {read:,} windows in epoch 0", broken)
    if broken:
        return
    is_whole = all(len(results[0].tokens) < limit for results in base.values())
    for epoch in (0, 1):
        yield from _epoch_findings(config, base, epoch, is_whole)
    yield _tokens_right(config, base)
    yield from _resumption_findings(config, base)
    later_first = [PassRequest(epoch=1, limit=limit), PassRequest(epoch=0, limit=limit)]
    again = run_workers(recipe, world_size, num_workers, lambda _: later_first)
    yield finding_of(
        Check.REPRODUCIBLE, f"{read:,} windows, order included, in new processes", _first_differences(base, again, 0, 1)
    )
    same = [f"{worker}: the order of epoch 0" for worker, results in base.items() if _is_repeated(*results)]
    yield finding_of(
        Check.EPOCHS_DIFFER,
        f"{sum(len(results[1].tokens) for results in base.values()):,} windows in epoch 1, also in new processes",
        [*same, *_first_differences(base, again, 1, 0)],
    )
    yield _elastic(config, base, is_whole)
    yield _other_states_refused(config, next(iter(base.values()))[0].states[0])
    yield _partition_required(recipe)
    yield _ranks_even(base, is_whole)


def _epoch_findings(config: CheckConfig, base: Results, epoch: int, is_whole: bool) -> Iterator[Finding]:
    """Compares what all processes read in an epoch with the windows of the sources."""
    readers: dict[tuple[int, int], list[Worker]] = {}
    for worker, results in base.items():
        for token in results[epoch].pairs:
            readers.setdefault(token, []).append(worker)
    min_times, max_times = _times_due(config, readers)
    known = {token for token in readers if _exists(config.sources, token)}
    windows: dict[tuple[int, int], list[Worker]] = {}
    for token, first in _first_rows(config.sources, known).items():
        windows.setdefault(first, []).extend(readers[token])
    read = sum(map(len, readers.values()))
    copies = (
        f"{_window(token)}: {len(workers)} times, by {', '.join(sorted(set(map(str, workers))))}"
        for token, workers in windows.items()
        if len(workers) > max_times[token[0]]
    )
    yield finding_of(Check.NOT_TOO_OFTEN, f"epoch {epoch}: {read:,} read, {len(windows):,} different", copies)
    strange = (f"{_window(token)}: there is no such window" for token in readers if token not in known)
    yield finding_of(Check.WINDOWS_EXIST, f"epoch {epoch}: {len(readers):,} rows", strange)
    evidence = f"epoch {epoch}: {len(known):,} of {sum(each.rows for each in config.sources):,} rows"
    if is_whole:
        missing = (
            f"{_window((number, row))}: missing"
            for number, each in enumerate(config.sources)
            for row in each.index_rows(np.arange(each.rows)).tolist()
            if len(readers.get((number, row), ())) < min_times[number]
        )
        yield finding_of(Check.NONE_MISSING, evidence, missing)
    else:
        yield Finding(Check.NONE_MISSING, SKIPPED, f"{evidence}; --limit ended the pass")
    if config.recipe.repeat:
        evidence = f"epoch {epoch}: sources are repeated; {Check.NOT_TOO_OFTEN.value!r} counts the copies"
        yield Finding(Check.RANKS_DISJOINT, SKIPPED, evidence)
        return
    ranks = {token: sorted({worker.rank for worker in workers}) for token, workers in windows.items()}
    shared = (f"{_window(token)}: by ranks {', '.join(map(str, by))}" for token, by in ranks.items() if len(by) > 1)
    yield finding_of(Check.RANKS_DISJOINT, f"epoch {epoch}: {config.world_size} ranks", shared)


def _first_rows(
    sources: Sequence[OpenSource], tokens: Collection[tuple[int, int]]
) -> dict[tuple[int, int], tuple[int, int]]:
    """For each token the first of those of its source that have the same window: an index may hold one twice."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for number, each in enumerate(sources):
        rows = np.array(sorted(row for source, row in tokens if source == number), np.int64)
        _, firsts, which = np.unique(keys_of(each.index, rows), return_index=True, return_inverse=True)
        pairs = zip(rows.tolist(), rows[firsts[which]].tolist())
        found.update({(number, row): (number, first) for row, first in pairs})
    return found


def keys_of(index: Index, rows: Positions) -> npt.NDArray[np.bytes_]:
    """The keys of rows, as NumPy can compare and sort them: byte strings of one length."""
    return np.ascontiguousarray(index.rows["key"][rows]).view("S16")


def _times_due(config: CheckConfig, readers: Mapping[tuple[int, int], Sequence[Worker]]) -> tuple[list[int], list[int]]:
    """For each source how often a window of it may come in an epoch: at least, at most."""
    if not config.recipe.repeat:
        return [1] * len(config.sources), [1] * len(config.sources)
    picks = Counter[int]()
    for (source, _), workers in readers.items():
        picks[source] += len(workers)
    sizes = [each.rows for each in config.sources]
    return (
        [picks[number] // size for number, size in enumerate(sizes)],
        [-(-picks[number] // size) for number, size in enumerate(sizes)],
    )


def _tokens_right(config: CheckConfig, base: Results) -> Finding:
    """Whether windows are those of their tokens. All other checks trust the tokens."""
    readers = [Reader(each.index) for each in config.sources]
    faults, count = [], 0
    for worker, results in base.items():
        for place, found in results[0].ids.items():
            token = results[0].pairs[place]
            if found is None or not _exists(config.sources, token):
                continue
            count += 1
            expected = readers[token[0]][token[1]].get("id")
            if found != expected:
                faults.append(f"{worker}, after {place:,} windows: {_window(token)} is {expected}, not {found}")
    if not count:
        return Finding(Check.TOKENS_RIGHT, SKIPPED, "what is read has no id")
    return finding_of(Check.TOKENS_RIGHT, f"{count:,} ids", faults)


def _resumption_findings(config: CheckConfig, base: Results) -> Iterator[Finding]:
    """Loads each saved state in a new process, which reads the rest of the pass."""

    def passes(worker: Worker) -> list[PassRequest]:
        states = sorted(base[worker][0].states.items())
        return [PassRequest(state=state, limit=config.limit - place) for place, state in states]

    resumed = run_workers(config.recipe, config.world_size, config.num_workers, passes)
    faults, changed, count = [], [], 0
    for worker, results in resumed.items():
        first = base[worker][0]
        for (place, state), result in zip(sorted(first.states.items()), results):
            count += 1
            difference = result.error or _difference(first.pairs[place:], result.pairs)
            if difference:
                faults.append(f"{worker}, after {place:,} windows: {difference}")
            if result.loaded and json.loads(result.loaded) != json.loads(state):
                changed.append(f"{worker}, after {place:,} windows: {result.loaded}, saved as {state}")
    text = f"{count} states of {len(resumed)} processes: after 0, 1, half, all but one, all windows"
    yield finding_of(Check.RESUMES, text, faults)
    longest = max((len(state) for results in base.values() for state in results[0].states.values()), default=0)
    yield finding_of(Check.STATE_SURVIVES_JSON, f"{count} states, {longest:,} characters at most", changed)


def _elastic(config: CheckConfig, base: Results, is_whole: bool) -> Finding:
    """Merges states after unequal progress. One more rank, with one worker less each, reads the rest."""
    states, read = [], Counter[tuple[int, int]]()
    for number, worker in enumerate(workers_of(config.world_size, config.num_workers)):
        first = base[worker][0]
        place = sorted(first.states)[(number + 2) % len(first.states)]
        states.append(json.loads(first.states[place]))
        read.update(first.pairs[:place])
    try:
        merged = json.dumps(merge_states(states))
    except ValueError as error:
        return finding_of(Check.ELASTIC, "the states could not be merged", [str(error)])
    size = (config.world_size + 1, max(config.num_workers - 1, 0))
    resumed = run_workers(config.recipe, *size, lambda _: [PassRequest(state=merged, limit=config.limit)])
    faults = [f"{worker}: {results[0].error}" for worker, results in resumed.items() if results[0].error]
    before = sum(read.values())
    for results in resumed.values():
        read.update(results[0].pairs)
    whole = Counter(token for results in base.values() for token in results[0].pairs)
    if not config.recipe.repeat or is_whole:
        faults += [f"{_window(token)}: {count} times" for token, count in read.items() if count > max(whole[token], 1)]
    if is_whole:
        faults += [f"{_window(token)}: lost" for token, count in whole.items() if read[token] < count]
    text = f"{config.world_size} x {config.num_workers} after {before:,} windows, then {size[0]} x {size[1]}"
    return finding_of(Check.ELASTIC, text if is_whole else f"{text}; --limit: lost windows were not looked for", faults)


def _other_states_refused(config: CheckConfig, state: str) -> Finding:
    """Loads a state into loaders of other sources, seeds or weights."""
    recipe, sources = config.recipe, config.recipe.sources
    first = Partition(0, config.world_size, 0, config.num_workers)
    others = {
        "another seed": replace(recipe, seed=recipe.seed + 1),
        "a source added": replace(recipe, sources=(*sources, sources[0])),
    }
    if recipe.order != "windows":
        others["another order"] = replace(recipe, order="windows")
        others["another shuffle_window"] = replace(recipe, shuffle_window=recipe.shuffle_window + 1)
    if len(set(sources)) > 1:
        others["the sources in another order"] = replace(recipe, sources=sources[::-1])
    changes: dict[str, Callable[[dict[str, Any]], Any]] = {
        "a source that grew": lambda source: source.update(rows=source["rows"] + 1),
        "a source that was rewritten": lambda source: source.update(fingerprint=source["fingerprint"][::-1] + "0"),
        "another weight": lambda source: source.update(weight=(source["weight"] or 0) + 1),
        "another label": lambda source: source.update(label=f"{source['label']} too"),
        "another corpus": lambda source: source.update(corpus=f"{source.get('corpus')} too"),
        "another language": lambda source: source.update(language=f"{source.get('language')} too"),
    }
    results = {
        what: run_alone(other, first, [PassRequest(state=state, limit=1)], {})[0] for what, other in others.items()
    }
    requests = [PassRequest(state=_with_first_source(state, change), limit=1) for change in changes.values()]
    results.update(zip(changes, run_alone(recipe, first, requests, {})))
    accepted = [f"{what}: the state was accepted" for what, result in results.items() if not result.error]
    return finding_of(Check.OTHER_STATES_REFUSED, ", ".join(results), accepted)


def _with_first_source(state: str, change: Callable[[dict[str, Any]], Any]) -> str:
    """The state as a loader of another first source saves it. A loader's own state may be anywhere in it."""

    def visit(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("format") == FORMAT:
                change(value["sources"][0])
                value.update(with_checksum(value))
            for each in value.values():
                visit(each)
        elif isinstance(value, list):
            for each in value:
                visit(each)

    changed = json.loads(state)
    visit(changed)
    return json.dumps(changed)


def _partition_required(recipe: LoaderRecipe) -> Finding:
    """Reads without a partition, as one of two processes of a launcher."""
    accepted = []
    for launcher, environment in _LAUNCHED.items():
        if not run_alone(recipe, None, [PassRequest(limit=1)], environment)[0].error:
            accepted.append(f"{launcher}: it read as if it were alone")
    return finding_of(Check.PARTITION_REQUIRED, f"2 processes of {' or '.join(_LAUNCHED)}, no partition", accepted)


def _ranks_even(base: Results, is_whole: bool) -> Finding:
    counts = Counter[int]()
    for worker, results in base.items():
        counts[worker.rank] += len(results[0].tokens)
    text = ", ".join(f"rank {rank}: {count:,}" for rank, count in sorted(counts.items())[:8])
    gap = max(counts.values()) - min(counts.values())
    if gap > 1:
        fault = f"the largest gap is {gap:,} windows: the other ranks would wait for ever"
        return finding_of(Check.RANKS_EVEN, text, [fault])
    if not is_whole:
        return Finding(Check.RANKS_EVEN, SKIPPED, f"{text}; --limit ended the pass")
    return finding_of(Check.RANKS_EVEN, text, [])


def _exists(sources: Sequence[OpenSource], token: tuple[int, int]) -> bool:
    number, row = token
    return 0 <= number < len(sources) and sources[number].has_row(row)


def _is_repeated(first: PassResult, second: PassResult) -> bool:
    """Whether two passes of more than a few windows have the same order."""
    return len(first.tokens) > _FEW and first.pairs == second.pairs


def _first_differences(base: Results, again: Results, base_pass: int, again_pass: int) -> Iterator[str]:
    """For each process where a pass of one run differs from a pass of another run."""
    for worker, results in base.items():
        other = again[worker][again_pass]
        difference = other.error or _difference(results[base_pass].pairs, other.pairs)
        if difference:
            yield f"{worker}: {difference}"


def _difference(expected: Sequence[tuple[int, int]], found: Sequence[tuple[int, int]]) -> str:
    """The first difference of two passes; empty if there is none."""
    for place, (one, other) in enumerate(zip(expected, found)):
        if one != other:
            return f"at {place:,} {_window(other)} instead of {_window(one)}"
    if len(expected) != len(found):
        return f"{len(found):,} windows instead of {len(expected):,}"
    return ""


def _window(token: tuple[int, int]) -> str:
    return f"source {token[0]} row {token[1]}"
