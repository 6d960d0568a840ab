"""The checks of `alm-beam check-loader` that make planned batches, in a process for each rank and worker."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from alm_beam.loader.batching.batch_plan import BatchPlan
from alm_beam.loader.batching.batch_state import BatchProgress, state_of
from alm_beam.loader.batching.window_batches import WindowBatches
from alm_beam.loader.check import CheckConfig
from alm_beam.loader.check_batch_rules import (
    BatchesDue,
    BatchRun,
    MadeBatch,
    Window,
    made_batches,
    window_named,
    windows_of,
)
from alm_beam.loader.check_findings import BatchCheck, Finding, finding_of
from alm_beam.loader.check_runs import (
    LoaderRecipe,
    PassRequest,
    PassResult,
    Results,
    Worker,
    prepared,
    run_alone,
    run_workers,
    saving_places,
)
from alm_beam.loader.partition import Partition
from alm_beam.loader.state import merge_states

_FEW = 5
"""So many windows can have the same order in two epochs by chance."""


def batch_recipe(recipe: LoaderRecipe, batching: Mapping[str, Any]) -> LoaderRecipe:
    """How batches are made of what a loader reads.

    Args:
        recipe: of the loader.
        batching: arguments of `WindowBatches`, by name.
    """
    made = LoaderRecipe("alm_beam.loader:WindowBatches", recipe.sources, recipe.seed, recipe.repeat, recipe.options, "")
    return replace(made, folder=recipe.folder, batching=batching)


def read_batches(batches: Any, request: PassRequest) -> PassResult:
    """Makes a pass over batches."""
    loaded = prepared(batches, request)
    due = len(batches)
    states: dict[int, str] = {}
    windows: list[Window] = []
    sizes: list[int] = []
    buckets: list[int] = []
    passing = iter(batches)
    error = ""
    while True:
        if len(sizes) in request.places:
            states[len(sizes)] = json.dumps(batches.state_dict())
        if len(sizes) >= request.limit:
            break
        try:
            bucket = passing.bucket if len(passing) > 0 else -1
            batch = next(passing)
        except StopIteration:
            break
        except Exception as fault:  # of any kind: errors are what is looked for
            error = f"{type(fault).__name__}: {fault}"
            break
        windows += [(int(source), int(row)) for source, row in batch]
        sizes.append(len(batch))
        buckets.append(bucket)
    tokens = np.array(windows, np.int64).reshape(-1, 2)
    return PassResult(tokens, states, loaded, error, sizes=sizes, buckets=buckets, due=due)


def batch_findings(config: CheckConfig) -> Iterator[Finding]:
    """Makes batches in processes of their own, and yields the finding of each check.

    Args:
        config: what is checked; its recipe is one of batches.
    """
    recipe = config.recipe
    planned = WindowBatches(
        recipe.sources,
        seed=recipe.seed,
        repeat=recipe.repeat,
        partition=Partition(0, config.world_size),
        storage_options=recipe.options,
        **recipe.batching,
    )
    steps, is_whole = _steps_to_make(planned.plan(0, (), config.world_size), config)
    due = BatchesDue(planned.config, config.sources, recipe.seed, recipe.repeat)
    run = BatchRun(due, planned.table(config.world_size), config.world_size, config.num_workers, steps, is_whole)
    places = saving_places(steps)

    def first_two(worker: Worker) -> list[PassRequest]:
        saved = tuple(run.batches_of(worker, place) for place in places)
        return [PassRequest(epoch=0, limit=run.limit(worker), places=saved), PassRequest(limit=run.limit(worker))]

    base = run_workers(recipe, run.world_size, run.num_workers, first_two, read_batches)
    broken = [f"{worker}: {result.error}" for worker, results in base.items() for result in results if result.error]
    made = f"{sum(len(results[0].sizes) for results in base.values()):,} batches in epoch 0"
    yield finding_of(BatchCheck.MADE, f"{len(base)} processes, {made}", broken)
    if broken:
        return
    for epoch in (0, 1):
        yield from _epoch_findings(run, base, epoch)
    yield from _resumption_findings(config, run, base, places)

    def later_first(worker: Worker) -> list[PassRequest]:
        return [PassRequest(epoch=epoch, limit=run.limit(worker)) for epoch in (1, 0)]

    again = run_workers(recipe, run.world_size, run.num_workers, later_first, read_batches)
    yield finding_of(BatchCheck.REPRODUCIBLE, f"{made}, in new processes", _differences(base, again, 0, 1))
    same = [f"{each}: the batches of epoch 0" for each, results in base.items() if _is_repeated(*results)]
    text = f"{sum(len(results[1].sizes) for results in base.values()):,} batches in epoch 1, also in new processes"
    yield finding_of(BatchCheck.EPOCHS_DIFFER, text, [*same, *_differences(base, again, 1, 0)])
    sizes = dict.fromkeys([(run.world_size + 1, max(run.num_workers - 1, 0)), (1, 0)])
    for world_size, num_workers in sizes:
        if (world_size, num_workers) != (run.world_size, run.num_workers):
            table = planned.table(world_size)
            after = replace(run, table=table, world_size=world_size, num_workers=num_workers)
            yield _elastic(config, run, base, places[len(places) // 2], after)
    yield _other_states_refused(config, next(iter(base.values()))[0].states[0])


def _steps_to_make(plan: BatchPlan, config: CheckConfig) -> tuple[int, bool]:
    """How many steps to make, so that a process makes as many windows as the limit; and whether these are all."""
    processes = config.world_size * (config.num_workers or 1)
    windows = np.cumsum(np.diff(plan.begins))
    steps = (
        int(np.searchsorted(windows, config.limit * processes)) + 1 if config.limit < len(plan.windows) else len(plan)
    )
    return min(steps, len(plan)), steps >= len(plan)


def _epoch_findings(run: BatchRun, base: Results, epoch: int) -> Iterator[Finding]:
    """Looks at the batches that all processes made in an epoch."""
    made = {worker: made_batches(results[epoch]) for worker, results in base.items()}
    counts = Counter[int]()
    for worker, batches in made.items():
        counts[worker.rank] += len(batches)
    text = ", ".join(f"rank {rank}: {count:,}" for rank, count in sorted(counts.items())[:8])
    announced = (
        f"{worker}: {len(made[worker]):,} batches, and len() said {results[epoch].due:,}"
        for worker, results in base.items()
        if run.is_whole and results[epoch].due != len(made[worker])
    )
    cut = "" if run.is_whole else "; --limit ended the pass"
    yield finding_of(BatchCheck.EVEN, f"epoch {epoch}: {text}{cut}", chain(run.uneven(made), announced))
    steps = run.steps(made)
    text = f"epoch {epoch}: {len(steps):,} steps, {len(run.table)} buckets"
    yield finding_of(BatchCheck.IN_STEP, text, run.out_of_step(steps))
    largest = max(
        (len(each.windows) * run.due.longest(each) for batches in made.values() for each in batches), default=0
    )
    text = f"epoch {epoch}: {largest:,} samples at most, padding included"
    yield finding_of(BatchCheck.BUDGET, text, run.too_large(made))
    windows = windows_of(made.values())
    text = f"epoch {epoch}: {windows.total():,} windows, {len(windows):,} different{cut}"
    yield finding_of(BatchCheck.EXACT, text, run.inexact(windows, run.due.times(epoch)))


def _resumption_findings(config: CheckConfig, run: BatchRun, base: Results, places: Sequence[int]) -> Iterator[Finding]:
    """Loads each saved state in a new process, which makes the rest of the pass."""

    def rests(worker: Worker) -> list[PassRequest]:
        states = sorted(base[worker][0].states.items())
        return [PassRequest(state=state, limit=run.limit(worker) - count) for count, state in states]

    resumed = run_workers(config.recipe, run.world_size, run.num_workers, rests, read_batches)
    faults, changed, states = [], [], 0
    for worker, results in resumed.items():
        first = base[worker][0]
        for place in places:
            if run.batches_of(worker, place) not in first.states:
                faults.append(f"{worker}: has no state after step {place:,}, as it has no such batch")
        for (count, state), result in zip(sorted(first.states.items()), results):
            states += 1
            difference = result.error or _difference(made_batches(first)[count:], made_batches(result))
            if difference:
                faults.append(f"{worker}, after {count:,} batches: {difference}")
            if result.loaded and json.loads(result.loaded) != json.loads(state):
                changed.append(f"{worker}, after {count:,} batches: {result.loaded}, saved as {state}")
    text = f"{states} states of {len(resumed)} processes: after steps {', '.join(f'{place:,}' for place in places)}"
    yield finding_of(BatchCheck.RESUMES, text, faults)
    longest = max((len(state) for results in base.values() for state in results[0].states.values()), default=0)
    yield finding_of(BatchCheck.STATE_SURVIVES_JSON, f"{states} states, {longest:,} characters at most", changed)


def _elastic(config: CheckConfig, run: BatchRun, base: Results, step: int, after: BatchRun) -> Finding:
    """Merges the states after a step. Another number of ranks makes the rest."""
    states, before = [], Counter[Window]()
    text = f"{run.world_size} x {run.num_workers} up to step {step:,}, then {after.world_size} x {after.num_workers}"
    for worker, results in base.items():
        count = run.batches_of(worker, step)
        if count not in results[0].states:
            return finding_of(BatchCheck.ELASTIC, text, [f"{worker}: has no state after step {step:,}"])
        states.append(json.loads(results[0].states[count]))
        before += windows_of([made_batches(results[0])[:count]])
    try:
        merged = json.dumps(merge_states(states))
    except ValueError as error:
        return finding_of(BatchCheck.ELASTIC, f"{text}: the states could not be merged", str(error).splitlines())

    def rest(worker: Worker) -> list[PassRequest]:
        return [PassRequest(state=merged, limit=after.limit(worker))]

    resumed = run_workers(config.recipe, after.world_size, after.num_workers, rest, read_batches)
    errors = [f"{worker}: {results[0].error}" for worker, results in resumed.items() if results[0].error]
    made = {worker: made_batches(results[0]) for worker, results in resumed.items()}
    windows = before + windows_of(made.values())
    faults = chain(
        errors,
        after.inexact(windows, run.due.times(0)),
        after.uneven(made),
        after.out_of_step(after.steps(made)),
        after.too_large(made),
    )
    looked = "" if run.is_whole else "; --limit: lost windows were not looked for"
    return finding_of(BatchCheck.ELASTIC, f"{text}: {windows.total():,} windows{looked}", faults)


def _other_states_refused(config: CheckConfig, state: str) -> Finding:
    """Loads a state into other batches, and states of other batches."""
    recipe, batching = config.recipe, config.recipe.batching
    first = Partition(0, config.world_size, 0, config.num_workers)
    [size] = [name for name in ("max_num_elements", "max_seconds", "batch_size") if batching.get(name) is not None]
    dropped = {"drop_remainder": not batching.get("drop_remainder", False)}
    others = {
        "another seed": replace(recipe, seed=recipe.seed + 1),
        "a source added": replace(recipe, sources=(*recipe.sources, recipe.sources[0])),
        f"another {size}": replace(recipe, batching={**batching, size: batching[size] + 1}),
        "another drop_remainder": replace(recipe, batching={**batching, **dropped}),
    }
    requests = [PassRequest(state=state, limit=1)]
    results = {what: run_alone(other, first, requests, {}, read_batches)[0] for what, other in others.items()}
    changed = _changed_states(json.loads(state), first)
    requests = [PassRequest(state=json.dumps(each), limit=1) for each in changed.values()]
    results.update(zip(changed, run_alone(recipe, first, requests, {}, read_batches)))
    accepted = [f"{what}: the state was accepted" for what, result in results.items() if not result.error]
    return finding_of(BatchCheck.OTHER_STATES_REFUSED, ", ".join(results), accepted)


def _changed_states(state: dict[str, Any], partition: Partition) -> dict[str, Any]:
    """States as batches of other windows would save them, and one that was changed by hand."""
    start = BatchProgress(0, (), partition, 0, 0)
    source = state["identity"]["sources"][0]
    changes = {
        "a source that was rewritten": {"fingerprint": source["fingerprint"][::-1] + "0"},
        "a source that grew": {"rows": source["rows"] + 1},
        "another weight": {"weight": (source["weight"] or 0) + 1},
        "another label": {"label": f"{source['label']} too"},
    }
    states = {}
    for what, change in changes.items():
        sources = [{**source, **change}, *state["identity"]["sources"][1:]]
        states[what] = state_of(start, {**state["identity"], "sources": sources})
    return {**states, "a step changed by hand": {**state, "step": state["step"] + 1}}


def _is_repeated(first: PassResult, second: PassResult) -> bool:
    """Whether two passes of more than a few windows are equal."""
    return len(first.tokens) > _FEW and made_batches(first) == made_batches(second)


def _differences(base: Results, again: Results, base_pass: int, again_pass: int) -> Iterator[str]:
    """For each process where a pass of one run differs from a pass of another run."""
    for worker, results in base.items():
        other = again[worker][again_pass]
        difference = other.error or _difference(made_batches(results[base_pass]), made_batches(other))
        if difference:
            yield f"{worker}: {difference}"


def _difference(expected: Sequence[MadeBatch], found: Sequence[MadeBatch]) -> str:
    """The first difference of two passes; empty if there is none."""
    for number, (one, other) in enumerate(zip(expected, found)):
        if one != other:
            return f"batch {number:,} is {_short(other)} instead of {_short(one)}"
    if len(expected) != len(found):
        return f"{len(found):,} batches instead of {len(expected):,}"
    return ""


def _short(batch: MadeBatch) -> str:
    first = f" from {window_named(batch.windows[0])} on" if batch.windows else ""
    return f"{len(batch.windows):,} windows of bucket {batch.bucket}{first}"
