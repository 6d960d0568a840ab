"""`alm-beam check-loader` finds nothing in planned batches, and each fault that is planted."""

import json
import sys
from dataclasses import replace
from itertools import islice

import pytest

from alm_beam.cli.main import main
from alm_beam.loader import Partition, Source, WindowBatches
from alm_beam.loader.check import CheckConfig
from alm_beam.loader.check_batches import batch_findings, batch_recipe
from alm_beam.loader.check_findings import FAILED, PASSED, BatchCheck, Check
from alm_beam.loader.check_runs import LoaderRecipe
from alm_beam.loader.check_static import static_checks
from alm_beam.loader.sources import open_sources
from tests.loader.batching.lengths import durations_like_speech, write_windows
from tests.loader.test_check import check, failed

COUNT = 300
SMALL = {"max_seconds": 100, "min_duration": 2.0}


@pytest.fixture(autouse=True)
def _processes_find_the_tests(monkeypatch):
    monkeypatch.syspath_prepend(".")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return write_windows(tmp_path_factory.mktemp("windows"), durations_like_speech(COUNT))


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> str:
    return write_windows(tmp_path_factory.mktemp("other"), durations_like_speech(50, 7), first=10_000)


def findings(*folders, factory="alm_beam.loader:WindowBatches", ranks=2, workers=0, limit=sys.maxsize, **batching):
    """The findings of batches, one after the other as they are made. A folder may stand with its weight."""
    sources = tuple(Source(*each) if isinstance(each, tuple) else Source(each) for each in folders)
    repeat = batching.pop("repeat", False)
    recipe = batch_recipe(LoaderRecipe("", sources, 0, repeat, {}, "."), batching or SMALL)
    return batch_findings(CheckConfig(replace(recipe, factory=factory), open_sources(sources), ranks, workers, limit))


def test_nothing_is_wrong_with_loader_and_batches(folder, capsys):
    code, results, out = check(capsys, folder, "--num_workers=0", "--max_seconds=100", "--bucket_edges=5,10,61")
    assert (code, failed(results)) == (0, set()), out
    assert set(results) == {each.value for each in (*Check, *BatchCheck)}
    assert {results[each.value] for each in BatchCheck} == {"ok"}


@pytest.mark.parametrize(
    ("ranks", "workers", "batching"),
    [
        (2, 2, {"max_seconds": 100}),
        (3, 0, {"max_num_elements": 1_600_000, "buckets": 2, "num_seqs_multiple_of": 4}),
        (3, 0, {"batch_size": 7, "drop_remainder": True, "min_duration": 3.0, "max_duration": 30.0}),
        (1, 3, {"max_seconds": 100}),
    ],
)
def test_nothing_is_wrong_with_the_batches(folder, ranks, workers, batching):
    made = list(findings(folder, ranks=ranks, workers=workers, **batching))
    assert not [each for each in made if each.result != PASSED]
    assert {each.check for each in made} == set(BatchCheck)


@pytest.mark.parametrize("repeat", [False, True])
def test_nothing_is_wrong_with_batches_of_a_mixture(folder, other, repeat):
    weighted = [(folder, None, 1.0), (other, None, 2.0)]
    made = list(findings(*weighted, max_seconds=100, repeat=repeat))
    assert not [each for each in made if each.result != PASSED]
    due = sum(map(len, WindowBatches([Source(*each) for each in weighted], max_seconds=100, repeat=repeat)))
    assert due > 350 if repeat else due == 350
    [first, *_] = [each for each in made if each.check is BatchCheck.EXACT]
    assert first.evidence == f"epoch 0: {due:,} windows, 350 different"


def test_a_part_of_large_data(folder):
    made = list(findings(folder, limit=20, max_seconds=100))
    assert not [each for each in made if each.result != PASSED]
    of = {each.check: each.evidence for each in made}
    assert of[BatchCheck.EXACT].endswith("; --limit ended the pass")
    assert of[BatchCheck.ELASTIC].endswith("; --limit: lost windows were not looked for")
    made = findings(folder, limit=20, factory="tests.loader.faulty_batches:Twice", max_seconds=100)
    assert any((each.check, each.result) == (BatchCheck.EXACT, FAILED) for each in made)


def test_batches_are_not_checked_without_their_size(folder, capsys):
    code, results, _ = check(capsys, folder, "--num_workers=0", "--world_size=1")
    assert code == 0
    assert set(results) == {each.value for each in Check}


FAULTS = [
    ("Broken", BatchCheck.MADE),
    ("Uneven", BatchCheck.EVEN),
    ("Boasting", BatchCheck.EVEN),
    ("OwnOrder", BatchCheck.IN_STEP),
    ("Unsorted", BatchCheck.IN_STEP),
    ("Misplaced", BatchCheck.IN_STEP),
    ("Smaller", BatchCheck.IN_STEP),
    ("TooLarge", BatchCheck.BUDGET),
    ("Everywhere", BatchCheck.EXACT),
    ("Twice", BatchCheck.EXACT),
    ("Forgetful", BatchCheck.EXACT),
    ("ForgetfulLater", BatchCheck.EXACT),
    ("Invented", BatchCheck.EXACT),
    ("TakesAll", BatchCheck.EXACT),
    ("OneLate", BatchCheck.RESUMES),
    ("Overrunning", BatchCheck.RESUMES),
    ("Lossy", BatchCheck.STATE_SURVIVES_JSON),
    ("Random", BatchCheck.REPRODUCIBLE),
    ("SameEpoch", BatchCheck.EPOCHS_DIFFER),
    ("ForgetsEpochs", BatchCheck.EPOCHS_DIFFER),
    ("NoElastic", BatchCheck.ELASTIC),
    ("Unmergeable", BatchCheck.ELASTIC),
    ("Trusting", BatchCheck.OTHER_STATES_REFUSED),
]
"""Each planted fault, and the check that is for it."""


def test_each_check_is_seen_to_fail():
    assert {caught for _, caught in FAULTS} == set(BatchCheck)


@pytest.mark.parametrize(("fault", "caught"), FAULTS)
def test_each_planted_fault_is_found(folder, fault, caught):
    """No more checks are made than are needed: each starts processes."""
    made = findings(folder, factory=f"tests.loader.faulty_batches:{fault}")
    assert any((each.check, each.result) == (caught, FAILED) for each in made)


def test_batches_of_a_fixed_size_must_be_of_similar_windows(folder):
    """Where all batches have one size, only the lengths of their windows tell buckets apart."""
    made = list(findings(folder, factory="tests.loader.faulty_batches:Unsorted", batch_size=5))
    [first, *_] = [each for each in made if each.check is BatchCheck.IN_STEP]
    assert "windows belong to shorter ones" in first.examples[0]
    assert {each.result for each in made if each.check is BatchCheck.BUDGET} == {"ok"}


def test_a_window_that_is_too_much_is_named(folder):
    made = findings(folder, factory="tests.loader.faulty_batches:Everywhere")
    [first, *_] = [each for each in made if each.check is BatchCheck.EXACT]
    assert any("2 times, and it is due 1 times" in each for each in first.examples)


def test_more_windows_than_do_not_fill_a_step_may_not_be_dropped(folder):
    batching = {"max_seconds": 100, "drop_remainder": True}
    made = findings(folder, factory="tests.loader.faulty_batches:Uneven", **batching)
    [first, *_] = [each for each in made if each.check is BatchCheck.EXACT]
    assert first.result == FAILED
    assert "do not fill a step" in first.examples[0]


def test_a_saved_state_of_batches(folder):
    """Of two ranks after three steps, as each saved it."""
    states = []
    for rank in range(2):
        batches = WindowBatches(folder, max_seconds=100, partition=Partition(rank, 2))
        list(islice(batches, 3))
        states.append(batches.state_dict())
    [fits] = saved_state(folder, states, max_seconds=100)
    assert (fits.result, fits.evidence) == (PASSED, "epoch 0, 3 batches of each rank made")
    [other] = saved_state(folder, states, max_seconds=101)
    assert (other.result, other.examples) == (FAILED, ("batching.max_seconds: 100 in the state, 101 here",))
    [unknown] = saved_state(folder, states)
    assert (unknown.result, unknown.evidence) == (FAILED, "it is of batches; give the flags of these batches, too")


def saved_state(folder, states, **batching):
    sources = (Source(folder),)
    recipe = LoaderRecipe("alm_beam.loader:WindowLoader", sources, 0, False, {}, ".")
    config = CheckConfig(recipe, open_sources(sources), 2, 0, sys.maxsize)
    made = static_checks(
        config, "text", json.loads(json.dumps(states)), batch_recipe(recipe, batching) if batching else None
    )
    return [each for each in made if each.check is Check.SAVED_STATE_FITS]


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["DIR", "--max_seconds=100", "--batch_size=3"], 2, "not allowed with argument"),
        (["DIR", "--max_seconds=0"], 2, "--max_seconds=0.0: must be a number of seconds above 0"),
        (["DIR", "--num_buckets=3"], 2, "--num_buckets: is of batches; give --max_num_elements"),
        (["DIR", "--drop_remainder"], 2, "--drop_remainder: is of batches; give --max_num_elements"),
        (["DIR", "--max_seconds=10"], 1, "the longest window has"),
    ],
)
def test_what_cannot_be_tried(folder, capsys, arguments, code, why):
    try:
        found = main(["check-loader", *(folder if each == "DIR" else each for each in arguments)])
    except SystemExit as stopped:
        found = stopped.code
    assert found == code
    assert why in capsys.readouterr().err
