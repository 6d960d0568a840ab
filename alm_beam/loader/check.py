"""`alm-beam check-loader`: what a loader promises, tried with a process for each rank and worker."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alm_beam.loader.check_runs import Cells, Made, Pass, Read, run_alone, run_cells, topology
from alm_beam.loader.partition import Partition
from alm_beam.loader.reader import Reader
from alm_beam.loader.sources import OpenSource
from alm_beam.loader.state import FORMAT, merge_states

PASSED, FAILED, SKIPPED = "ok", "FAILED", "-"

_EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """The outcome of a check.

    Attributes:
        check: its name.
        result: PASSED, FAILED or SKIPPED.
        evidence: what was counted, or why it does not apply.
        examples: of each fault a few.
    """

    check: str
    result: str
    evidence: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """What is tried.

    Attributes:
        made: how the loader is made.
        sources: opened.
        world_size: ranks.
        num_workers: of each rank.
        limit: windows that a process reads of a pass at most.
    """

    made: Made
    sources: tuple[OpenSource, ...]
    world_size: int
    num_workers: int
    limit: int


def checked(name: str, evidence: str, faults: Iterable[str]) -> Finding:
    """A finding that failed if there is a fault."""
    found = list(faults)
    if not found:
        return Finding(name, PASSED, evidence)
    more = [f"and {len(found) - _EXAMPLES:,} more"] if len(found) > _EXAMPLES else []
    return Finding(name, FAILED, f"{evidence}; faults: {len(found):,}", (*found[:_EXAMPLES], *more))


def run_checks(trial: Trial) -> Iterator[Finding]:
    """Tries the loader in processes of its own, and yields what each question came to."""
    world_size, num_workers, limit = trial.world_size, trial.num_workers, trial.limit
    base = run_cells(
        trial.made, world_size, num_workers, lambda _: [Pass(epoch=0, limit=limit, saves=True), Pass(limit=limit)]
    )
    broken = [f"{_where(cell)}: {read.error}" for cell, reads in base.items() for read in reads if read.error]
    read = sum(len(reads[0].tokens) for reads in base.values())
    yield checked("every process reads", f"{len(base)} processes, {read:,} windows in epoch 0", broken)
    if broken:
        return
    is_whole = all(len(reads[0].tokens) < limit for reads in base.values())
    for epoch in (0, 1):
        yield from _coverage(trial, base, epoch, is_whole)
    yield _named(trial, base)
    yield from _resumption(trial, base)
    again = run_cells(
        trial.made, world_size, num_workers, lambda _: [Pass(epoch=1, limit=limit), Pass(epoch=0, limit=limit)]
    )
    yield checked(
        "Q5 two runs with one seed are equal, order included",
        f"{read:,} windows in fresh processes",
        _first_differences(base, again, 0, 1),
    )
    same = [
        f"{_where(cell)}: the order of epoch 0" for cell, (first, second) in base.items() if _is_repeated(first, second)
    ]
    yield checked(
        "Q6 the next epoch has another order, in kept and in fresh processes",
        f"{sum(len(reads[1].tokens) for reads in base.values()):,} windows in epoch 1",
        [*same, *_first_differences(base, again, 1, 0)],
    )
    yield _elastic(trial, base, is_whole)
    yield _refusals(trial, next(iter(base.values()))[0].states[0])
    alone = run_alone(trial.made, None, [Pass(limit=1)], {"WORLD_SIZE": "2"})[0]
    yield checked(
        "S5 two ranks without a partition are an error",
        "WORLD_SIZE=2, no partition",
        [] if alone.error else ["it read as if it were alone"],
    )
    counts = Counter[int]()
    for (rank, _), reads in base.items():
        counts[rank] += len(reads[0].tokens)
    text = ", ".join(f"rank {rank}: {count:,}" for rank, count in sorted(counts.items())[:8])
    gap = max(counts.values()) - min(counts.values())
    uneven = [] if gap <= 1 else [f"the largest gap is {gap:,} windows: ranks would wait for each other for ever"]
    name = "Q9 all ranks read as many windows, or one less"
    if is_whole or uneven:
        yield checked(name, text, uneven)
    else:
        yield Finding(name, SKIPPED, f"{text}; --limit ended the pass")


def _coverage(trial: Trial, base: Cells, epoch: int, is_whole: bool) -> Iterator[Finding]:
    """Q1 to Q3: what was read in an epoch, against all that there is."""
    where: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for cell, reads in base.items():
        for token in reads[epoch].names:
            where.setdefault(token, []).append(cell)
    picks = Counter(source for source, _ in where for _ in where[source, _])
    most = [-(-picks[number] // each.rows) if trial.made.repeat else 1 for number, each in enumerate(trial.sources)]
    least = [picks[number] // each.rows if trial.made.repeat else 1 for number, each in enumerate(trial.sources)]
    read = sum(map(len, where.values()))
    known = {token for token in where if _exists(trial.sources, token)}
    copies = (
        f"{_window(token)}: {len(cells)} times, by {', '.join(sorted(set(map(_where, cells))))}"
        for token, cells in where.items()
        if token in known and len(cells) > most[token[0]]
    )
    evidence = f"epoch {epoch}: {read:,} read, {len(where):,} different"
    yield checked("Q1 no window comes more often than it should", evidence, copies)
    strange = [f"{_window(token)}: there is no such window" for token in where if token not in known]
    total = sum(each.rows for each in trial.sources)
    if is_whole:
        missing = (
            f"{_window((number, row))}: missing"
            for number, each in enumerate(trial.sources)
            for row in range(each.first, each.first + each.rows)
            if len(where.get((number, row), ())) < least[number]
        )
        yield checked("Q2 all windows come", f"epoch {epoch}: {len(known):,} of {total:,}", [*strange, *missing])
    else:
        evidence = (
            f"epoch {epoch}: {len(known):,} of {total:,}; --limit ended the pass, so what is missing was not looked for"
        )
        yield checked("Q2 only windows come that there are", evidence, strange)
    if trial.made.repeat:
        evidence = f"epoch {epoch}: sources are repeated; Q1 counts the copies"
        yield Finding("Q3 no two ranks read the same window", SKIPPED, evidence)
        return
    shared = (
        f"{_window(token)}: by ranks {', '.join(map(str, sorted({rank for rank, _ in cells})))}"
        for token, cells in where.items()
        if len({rank for rank, _ in cells}) > 1
    )
    yield checked("Q3 no two ranks read the same window", f"epoch {epoch}: {trial.world_size} ranks", shared)


def _named(trial: Trial, base: Cells) -> Finding:
    """S10: whether windows are those of their tokens. All else here believes the tokens."""
    name = "S10 each window is the one that its token names"
    readers = [Reader(each.index) for each in trial.sources]
    faults, count = [], 0
    for cell, reads in base.items():
        for place, found in reads[0].ids.items():
            token = reads[0].names[place]
            if found is None or not _exists(trial.sources, token):
                continue
            count += 1
            expected = readers[token[0]][token[1]].get("id")
            if found != expected:
                faults.append(f"{_where(cell)}, after {place:,} windows: {_window(token)} is {expected}, not {found}")
    return checked(name, f"{count:,} ids", faults) if count else Finding(name, SKIPPED, "what is read has no id")


def _resumption(trial: Trial, base: Cells) -> Iterator[Finding]:
    """Q4 and Q8: from every saved state, in a fresh process, what was left of the pass, then the next epoch."""

    def passes(cell: tuple[int, int]) -> list[Pass]:
        first = base[cell][0]
        return [Pass(state=state, limit=trial.limit - place) for place, state in sorted(first.states.items())]

    resumed = run_cells(trial.made, trial.world_size, trial.num_workers, passes)
    faults, changed, count = [], [], 0
    for cell, reads in resumed.items():
        first = base[cell][0]
        for (place, state), read in zip(sorted(first.states.items()), reads):
            count += 1
            difference = read.error or _difference(first.names[place:], read.names)
            if difference:
                faults.append(f"{_where(cell)}, after {place:,} windows: {difference}")
            if read.loaded and json.loads(read.loaded) != json.loads(state):
                changed.append(f"{_where(cell)}, after {place:,} windows: {read.loaded}, saved as {state}")
    text = f"{count} states of {len(resumed)} processes: at 0, 1, the middle, the last but one, the last"
    yield checked("Q4 a resumed pass gives exactly what was left", text, faults)
    sizes = [len(state) for reads in base.values() for state in reads[0].states.values()]
    yield checked("Q8 a state survives JSON", f"{count} states, {max(sizes, default=0):,} characters at most", changed)


def _elastic(trial: Trial, base: Cells, is_whole: bool) -> Finding:
    """Q7, first half: other ranks and workers go on from unequal progress."""
    name = "Q7 another number of ranks and workers goes on, nothing twice, nothing lost"
    cells = topology(trial.world_size, trial.num_workers)
    states, read = [], Counter[tuple[int, int]]()
    for number, cell in enumerate(cells):
        first = base[cell][0]
        place = sorted(first.states)[(number + 2) % len(first.states)]
        states.append(json.loads(first.states[place]))
        read.update(first.names[:place])
    try:
        merged = json.dumps(merge_states(states))
    except ValueError as error:
        return checked(name, "the states could not be merged", [str(error)])
    size = (trial.world_size + 1, max(trial.num_workers - 1, 0))
    resumed = run_cells(trial.made, *size, lambda _: [Pass(state=merged, limit=trial.limit)])
    faults = [f"{_where(cell)}: {reads[0].error}" for cell, reads in resumed.items() if reads[0].error]
    before = sum(read.values())
    for reads in resumed.values():
        read.update(reads[0].names)
    whole = Counter(token for reads in base.values() for token in reads[0].names)
    if not trial.made.repeat or is_whole:
        faults += [f"{_window(token)}: {count} times" for token, count in read.items() if count > max(whole[token], 1)]
    if is_whole:
        faults += [f"{_window(token)}: lost" for token, count in whole.items() if read[token] < count]
    text = f"{trial.world_size} x {trial.num_workers} after {before:,} windows, then {size[0]} x {size[1]}"
    return checked(name, text if is_whole else f"{text}; --limit: what is lost was not looked for", faults)


def _refusals(trial: Trial, state: str) -> Finding:
    """Q7, second half: sources, seed or weights that are not those of the state."""
    made, sources = trial.made, trial.made.sources
    first = Partition(0, trial.world_size, 0, trial.num_workers)
    doubled = (*sources, sources[0])
    others = {
        "another seed": Made(made.factory, sources, made.seed + 1, made.repeat, made.options),
        "a source added": Made(made.factory, doubled, made.seed, made.repeat, made.options),
    }
    if len(set(sources)) > 1:
        others["the sources in another order"] = Made(made.factory, sources[::-1], made.seed, made.repeat, made.options)
    changes: dict[str, Callable[[dict[str, Any]], Any]] = {
        "a source that grew": lambda source: source.update(rows=source["rows"] + 1),
        "a source that was rewritten": lambda source: source.update(fingerprint=source["fingerprint"][::-1] + "0"),
        "another weight": lambda source: source.update(weight=(source["weight"] or 0) + 1),
        "another label": lambda source: source.update(label=f"{source['label']} too"),
    }
    reads = {what: run_alone(other, first, [Pass(state=state, limit=1)], {})[0] for what, other in others.items()}
    whole = [_with_first_source(state, change) for change in changes.values()]
    alone = run_alone(made, first, [Pass(state=each, limit=1) for each in whole], {})
    reads.update(zip(changes, alone))
    accepted = [f"{what}: the state was accepted" for what, read in reads.items() if not read.error]
    return checked("Q7 a state that does not fit is refused", ", ".join(reads), accepted)


def _with_first_source(state: str, change: Callable[[dict[str, Any]], Any]) -> str:
    """The state with its first source changed, wherever in it the loader's own is."""

    def visit(value: Any) -> None:
        if isinstance(value, Mapping):
            if value.get("format") == FORMAT:
                change(value["sources"][0])
            for each in value.values():
                visit(each)
        elif isinstance(value, list):
            for each in value:
                visit(each)

    changed = json.loads(state)
    visit(changed)
    return json.dumps(changed)


def _exists(sources: Sequence[OpenSource], token: tuple[int, int]) -> bool:
    number, row = token
    return 0 <= number < len(sources) and 0 <= row - sources[number].first < sources[number].rows


def _is_repeated(first: Read, second: Read) -> bool:
    """Whether two passes of more than a few windows have the same order."""
    return len(first.tokens) > _EXAMPLES and first.names == second.names


def _first_differences(cells: Cells, others: Cells, this: int, that: int) -> Iterator[str]:
    for cell, reads in cells.items():
        other = others[cell][that]
        difference = other.error or _difference(reads[this].names, other.names)
        if difference:
            yield f"{_where(cell)}: {difference}"


def _difference(expected: Sequence[tuple[int, int]], found: Sequence[tuple[int, int]]) -> str:
    """Where two passes part; empty if they do not."""
    for place, (one, other) in enumerate(zip(expected, found)):
        if one != other:
            return f"at {place:,} {_window(other)} instead of {_window(one)}"
    if len(expected) != len(found):
        return f"{len(found):,} windows instead of {len(expected):,}"
    return ""


def _where(cell: tuple[int, int]) -> str:
    return f"rank {cell[0]} worker {cell[1]}"


def _window(token: tuple[int, int]) -> str:
    return f"source {token[0]} row {token[1]}"
