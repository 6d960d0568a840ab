"""The state of a loader: what does not fit, was changed, or is no state at all is refused, and costs nothing."""

import json
import pickle
import re
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from itertools import islice
from typing import Any

import numpy as np
import pytest

from alm_beam.loader import Partition, Source, StateError, WindowLoader, merge_states
from alm_beam.loader.remainder import RunProgress
from alm_beam.loader.state_format import with_checksum


def ids(windows) -> list[str]:
    return [window["id"] for window in windows]


@pytest.mark.parametrize(
    ("make", "lines"),
    [
        (lambda cuts, more: WindowLoader(cuts, seed=7), ["seed: 0 in the state, 7 here"]),
        (lambda cuts, more: WindowLoader(cuts, shuffle=False), ["shuffle: True in the state, False here"]),
        (lambda cuts, more: WindowLoader([cuts, more]), ["sources: 1 in the state, 2 here"]),
        (
            lambda cuts, more: WindowLoader(more, seed=7),
            ["seed: 0 in the state, 7 here", "sources[0].fingerprint: ", "sources[0].rows: 100 in the state, 37 here"],
        ),
        (
            lambda cuts, more: WindowLoader(Source(cuts, "ami")),
            ["sources[0].label: None in the state, 'ami' here", "sources[0].rows: 100 in the state, 60 here"],
        ),
        (lambda cuts, more: WindowLoader(Source(cuts, weight=2)), ["sources[0].weight: None in the state, 2 here"]),
    ],
)
def test_a_state_that_does_not_fit_is_refused_with_a_line_for_each_field(cuts, more_cuts, make, lines):
    state = WindowLoader(cuts).state_dict()
    loader = make(cuts, more_cuts)
    with pytest.raises(StateError) as refused:
        loader.load_state_dict(state)
    found = str(refused.value).splitlines()
    assert found[0] == "the state does not fit:"
    assert len(found) == len(lines) + 1
    assert all(line.startswith(expected) for line, expected in zip(found[1:], lines))
    assert loader.state_dict()["positions"] == {"0": 0}, "nothing of it was taken"


def test_other_weights_and_another_order_of_sources_are_refused(cuts, more_cuts):
    def loader(*weights, reverse=False):
        sources = [Source(cuts, "ami", weights[0]), Source(more_cuts, None, weights[1])]
        return WindowLoader(sources[::-1] if reverse else sources, repeat=True)

    state = loader(1, 2).state_dict()
    with pytest.raises(StateError, match=r"sources\[1\].weight: 2 in the state, 3 here"):
        loader(1, 3).load_state_dict(state)
    with pytest.raises(StateError, match=r"sources\[0\].fingerprint: (.|\n)*sources\[1\].label: None"):
        loader(1, 2, reverse=True).load_state_dict(state)


BROKEN = [
    (lambda state: state.pop("epoch"), "epoch: missing"),
    (lambda state: state.update(more=1), "more: unknown"),
    (
        lambda state: state.update(version=3),
        "format, version: format 'alm_beam.loader', version 3 in the state, 'alm_beam.loader', 2 here",
    ),
    (lambda state: state.update(epoch=-1), "epoch: Expected `int` >= 0"),
    (lambda state: state.update(epoch=True), "epoch: Expected `int`, got `bool`"),
    (lambda state: state.update(epoch=1.5), "epoch: Expected `int`, got `float`"),
    (lambda state: state.update(epoch=2**62), f"epoch: Expected `int` <= {2**62 - 1}"),
    (lambda state: state.update(epoch=2**63), f"epoch: Expected `int` <= {2**62 - 1}"),
    (lambda state: state.update(seed="0"), "seed: Expected `int`, got `str`"),
    (lambda state: state.update(shuffle="yes"), "shuffle: Expected `bool`, got 'yes'"),
    (lambda state: state.update(left=[]), "left: Expected `array` of length >= 1"),
    (lambda state: state.update(left=[{"start": -1, "read": []}]), r"left\[0\].start: Expected `int` >= 0"),
    (lambda state: state.update(left=[{"start": 0}]), r"left\[0\]: Object missing required field `read`"),
    (lambda state: state.update(left=[{"start": 0, "read": [True]}]), r"left\[0\].read.*: Expected `int`, got `bool`"),
    (
        lambda state: state.update(left=[{"start": 101, "read": []}]),
        "left: .* cannot be left of an epoch of 100 windows",
    ),
    (lambda state: state.update(left=[{"start": 10, "read": [45, 46]}]), "left: .* cannot be left of an epoch"),
    (lambda state: state.update(world_size=0), "world_size: Expected `int` >= 1"),
    (lambda state: state.update(num_workers=True), "num_workers: Expected `int`, got `bool`"),
    (lambda state: state.update(positions={}), "positions: Expected `object` of length >= 1"),
    (lambda state: state.update(positions={"1": 5}), "positions: there is no part 1 of 1"),
    (lambda state: state.update(positions={"-1": 5}), "positions: Expected `str` matching regex"),
    (lambda state: state.update(positions={"0": "5"}), r"positions\[...\]: Expected `int`, got `str`"),
    (lambda state: state.update(positions={"0": -1}), r"positions\[...\]: Expected `int` >= 0"),
    (lambda state: state.update(positions={"0": 101}), "positions: 101 windows of part 0 were read, and it has 100"),
    (lambda state: state.update(sources=3), "sources: Expected `array`, got `int`"),
    (lambda state: state["sources"][0].update(rows=True), r"sources\[0\].rows: Expected `int`, got `bool`"),
    (lambda state: state["sources"][0].update(more=1), r"sources\[0\]: Object contains unknown field `more`"),
    (lambda state: state["sources"][0].pop("label"), r"sources\[0\]: Object missing required field `label`"),
]


@pytest.mark.parametrize(("change", "why"), BROKEN, ids=[why for _, why in BROKEN])
def test_what_is_no_state_is_refused(cuts, change, why):
    state = WindowLoader(cuts).state_dict()
    change(state)
    with suppress(KeyError, TypeError, AttributeError):  # what cannot have a checksum
        state = with_checksum(state)
    with pytest.raises(StateError) as refused:
        WindowLoader(cuts).load_state_dict(state)
    first, *lines = str(refused.value).splitlines()
    assert first == "the state does not fit:"
    assert re.match(why, lines[0]), lines


def test_a_state_that_an_earlier_release_saved(cuts):
    """Version 1 of the format, as a file has it: without a checksum."""
    index = WindowLoader(cuts).sources[0].index
    saved = (
        '{"format": "alm_beam.loader", "version": 1, "seed": 0, "shuffle": true, "repeat": false, "sources": '
        f'[{{"fingerprint": "{index.fingerprint}", "label": null, "rows": 100, "weight": null}}], "epoch": 3, '
        '"left": [{"start": 20, "read": [2, 0, 1]}], "world_size": 1, "num_workers": 1, "positions": {"0": 60}}'
    )
    loader = WindowLoader(cuts)
    loader.load_state_dict(json.loads(saved))
    again = loader.state_dict()
    assert again == {**json.loads(saved), "version": 2, "checksum": again["checksum"]}
    assert (loader.epoch, len(ids(loader))) == (3, 17)


def test_numbers_of_numpy_are_weights_and_stay_so(cuts, more_cuts):
    sources = [Source(cuts, weight=np.float64(1)), Source(more_cuts, weight=np.float64(2))]
    state = WindowLoader(sources).state_dict()
    WindowLoader(sources).load_state_dict(state)
    WindowLoader(sources).load_state_dict(json.loads(json.dumps(state)))


@pytest.mark.parametrize("state", [None, [], "x", {}])
def test_other_values_are_refused(cuts, state):
    with pytest.raises(StateError, match="does not fit"):
        WindowLoader(cuts).load_state_dict(state)


def elastic_state(cuts, more_cuts) -> tuple[WindowLoader, dict[str, Any]]:
    """A loader of a mixture and a merged state of it, whose `left` tells of two runs that ended unevenly."""
    loader = WindowLoader([Source(cuts, "ami", 1.5), Source(more_cuts, None, 2)], seed=7)
    state = None
    for world_size, counts in ((3, (20, 3, 7)), (2, (1, 4)), (2, (2, 3))):
        states = []
        for rank, count in enumerate(counts):
            loader.partition = Partition(rank, world_size)
            if state:
                loader.load_state_dict(state)
            loader.set_epoch(0)
            windows = iter(loader)
            ids(islice(windows, count))
            states.append(windows.state_dict())
        state = merge_states(states)
    assert state["left"][0]["read"]
    return loader, state


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of each value in a state: of dictionaries and lists, and of what they hold."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from places(each, (*path, key))


def replaced(state: Any, path: tuple, value: Any) -> Any:
    if not path:
        return value
    changed = deepcopy(state)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return changed


def other_values(value: Any) -> Iterator[Any]:
    """What a value may be changed into; `...`: it is left out."""
    yield ...
    yield from (None, "other", [], {}, [value], 10**30, -1, 1.5, float("nan"))
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1, str(value), value + 0.5, 10**8, 2**63)
    elif isinstance(value, str):
        yield from (value + "0", value[1:], value.upper() + "x", value.encode())
    elif isinstance(value, dict):
        yield from ({**value, "more": 1}, {**value, "0": 1, "9": 1}, list(value.values()))
    elif isinstance(value, list):
        yield from (value + value, value[:-1], value[::-1], {"0": value})


def test_any_change_of_a_state_is_refused(cuts, more_cuts):
    loader, state = elastic_state(cuts, more_cuts)
    loader.load_state_dict(json.loads(json.dumps(state)))
    loader.load_state_dict(pickle.loads(pickle.dumps(state)))
    count = 0
    for path in places(state):
        value = state
        for key in path:
            value = value[key]
        for other in other_values(value):
            if not path or (other == value and type(other) is type(value)):
                continue
            count += 1
            changed = replaced(state, path, other)
            with pytest.raises(StateError):
                loader.load_state_dict(changed)
            with pytest.raises(StateError):
                merge_states(changed)
    assert count > 400


def test_a_changed_number_is_told(cuts):
    state = WindowLoader(cuts).state_dict()
    for change in ({"epoch": 1}, {"seed": 1}, {"positions": {"0": 3}}, {"left": [{"start": 1, "read": []}]}):
        with pytest.raises(StateError) as refused:
            WindowLoader(cuts).load_state_dict({**state, **change})
        assert str(refused.value).splitlines() == [
            "the state does not fit:",
            "checksum: is that of other fields: the state was changed after it was saved; load another one",
        ]
    for change, why in (
        ({"checksum": None}, "checksum: missing"),
        ({"checksum": "0" * 16}, "checksum: is that of other fields"),
        ({"version": 1}, "checksum: unknown in version 1"),
    ):
        with pytest.raises(StateError, match=why):
            WindowLoader(cuts).load_state_dict({**state, **change})


def test_the_order_of_fields_and_the_kind_of_a_number_do_not_matter(cuts):
    sources = [Source(cuts, weight=2)]
    state = WindowLoader(sources, shuffle=1).state_dict()
    assert (state["sources"][0]["weight"], state["shuffle"]) == (2, 1)
    other = json.loads(json.dumps(dict(reversed(state.items()))).replace('"weight": 2', '"weight": 2.0'))
    for loader in (WindowLoader(sources), WindowLoader([Source(cuts, weight=2.0)], shuffle=True)):
        loader.load_state_dict({**other, "shuffle": True})


def test_changed_states_inside_those_of_torch_are_refused(cuts):
    """As StatefulDataLoader nests them."""
    states = []
    for worker in range(2):
        loader = WindowLoader(cuts, partition=Partition(0, 1, worker, 2))
        next(iter(loader))
        states.append({"worker_id": worker, "fetcher_state": {"dataset_iter_state": loader.state_dict()}})
    nested = {"_snapshot": {"_worker_snapshots": states}, "_steps_since_snapshot": 0}
    assert merge_states(nested)["positions"] == {"0": 1, "1": 1}
    states[1]["fetcher_state"]["dataset_iter_state"]["positions"]["1"] += 1
    with pytest.raises(StateError, match="checksum: is that of other fields"):
        merge_states(nested)


BIG = 10**8

HUGE = [
    {"world_size": BIG},
    {"num_workers": BIG},
    {"world_size": BIG, "num_workers": BIG},
    {"world_size": 1 << 20, "num_workers": 128},
    {"world_size": 10**30},
    {"epoch": 10**30},
    {"seed": 10**5000},
    {"positions": {"0": 10**30}},
    {"positions": {"9" * 5000: 1}},
    {"positions": {"00": 1}},
    {"positions": {str(part): 1 for part in range(10_000)}, "world_size": 1 << 20},
    {"left": [{"start": 10**30, "read": []}]},
    {"left": [{"start": 0, "read": []}] * 100_000},
    {"left": [{"start": 0, "read": [2**62, 2**62]}]},
    {"left": [{"start": 0, "read": list(range(20_000))}]},
    {"sources": [{"fingerprint": "x", "label": "x" * 100_000, "rows": 2**62, "weight": 10**400}]},
]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("change", HUGE, ids=lambda change: str(list(change)))
def test_huge_numbers_cost_nothing(cuts, change, version):
    """Also with the right checksum, and in a state that has none."""
    state = {**WindowLoader(cuts).state_dict(), **change, "version": version}
    state.pop("checksum")
    if version == 2:
        with suppress(ValueError, OverflowError):
            state = with_checksum(state)
    tracemalloc.start()
    begin = time.process_time()
    try:
        with suppress(StateError):  # another run's may merge, or load
            merge_states(state)
        with pytest.raises(StateError) as refused:
            resume(cuts, state)
        assert len(str(refused.value)) < 2000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - begin < 10, "20 s and 4 GB before there were bounds"
    assert peak < 50 << 20


def resume(cuts, state) -> None:
    loader = WindowLoader(cuts, partition=Partition(1, 2))
    loader.load_state_dict(state)
    next(iter(loader))


def test_unequal_progress_of_many_readers_costs_little():
    """20,000 readers, each at another place, which is as many columns as a table of all would have squared."""
    run = RunProgress(0, tuple(range(20_000)))
    tracemalloc.start()
    try:
        found = run.unread(np.array([0, 1, 2, 3, 199_990_000])).tolist()
        assert found == [0, 20_000, 20_001, 40_000, 19_999 * 20_000]
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()


def test_what_is_nested_without_end_is_no_state():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    endless: dict[str, Any] = {}
    endless["more"] = [endless, endless]
    for value in (deep, endless):
        with pytest.raises(StateError, match="nested more than 64 levels deep"):
            merge_states(value)


def test_no_control_character_of_a_state_reaches_a_terminal(cuts):
    state = WindowLoader(cuts).state_dict()
    clear = "\x1b[2J\nx"
    for changed in (
        {**state, clear: 1},
        {**state, "format": "alm_beam.loader", "version": clear},
        {**state, "shuffle": clear},
        with_checksum({**state, "sources": [{**state["sources"][0], "label": clear}]}),
        {**state, "sources": [{**state["sources"][0], clear: 1}]},
        {**state, "positions": {clear: 1}},
    ):
        with pytest.raises(StateError) as refused:
            WindowLoader(cuts).load_state_dict(changed)
        lines = str(refused.value).split("\n")
        assert len(lines) == 2
        assert all(line.isprintable() for line in lines)
