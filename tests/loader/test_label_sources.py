"""Sources of one corpus or language: their windows, in both orders, resumed, over processes."""

import json
import multiprocessing
import pickle
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alm_beam.loader import Partition, Source, SourceError, StateError, WindowLoader, merge_states
from alm_beam.loader.batching.window_batches import WindowBatches
from alm_beam.loader.check import CheckConfig, run_checks
from alm_beam.loader.check_findings import FAILED
from alm_beam.loader.check_runs import LoaderRecipe
from alm_beam.loader.check_static import static_checks
from alm_beam.loader.sources import OpenSource, open_sources
from alm_beam.loader.state_format import with_checksum
from alm_beam.storage.index.build import build_index
from tests.loader.cuts import cut, write_cuts

ORDERS: list[dict[str, Any]] = [{}, {"order": "shards", "shuffle_window": 7}, {"shuffle": False}]
SIZES = [(1, 0), (2, 0), (3, 2), (5, 1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """120 windows in four shards: of the labels ami (80) and call (40); of two corpora; in three languages, or none."""
    cuts = []
    for number in range(120):
        each = cut(number, "ami" if number % 3 else "call")
        each["custom"]["corpus"] = "ab"[number % 2]
        each["custom"]["lang"] = ("en", "de", "", "ja", "en")[number % 5]
        cuts.append(each)
    folder = write_cuts(tmp_path_factory.mktemp("labelled"), cuts, shards=4)
    build_index(folder, overwrite=True)
    return folder


def expected_ids(folder: str, label: str | None, corpus: str | None, language: str | None) -> set[str]:
    """Read without the index."""
    lines = [line for path in Path(folder).glob("*.jsonl") for line in path.read_text().splitlines()]
    cuts = [json.loads(line) for line in lines]
    return {
        each["id"]
        for each in cuts
        if label in (None, each["custom"]["source"])
        and corpus in (None, each["custom"]["corpus"])
        and language in (None, each["custom"]["lang"])
    }


FILTERS = [
    (None, "a", None), (None, None, "en"), (None, "b", "ja"), (None, None, ""), ("call", "a", None),
    ("ami", None, "de"), ("ami", "b", "en"),
]  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("label", "corpus", "language"), FILTERS)
def test_a_source_has_the_windows_of_its_labels(folder, order, label, corpus, language):
    source = Source(folder, label=label, corpus=corpus, language=language)
    expected = expected_ids(folder, label, corpus, language)
    loader = WindowLoader(source, seed=3, **order)
    passing = iter(loader)
    found = []
    for window in passing:
        found.append(window["id"])
        assert loader.window(passing.token) == window
    assert len(found) == len(set(found)) == len(loader) == len(expected)
    assert set(found) == expected


def test_files_are_read_as_they_stand(folder):
    source = Source(folder, corpus="a", language="en")
    found = [window["id"] for window in WindowLoader(source, order="shards", shuffle=False)]
    lines = [line for path in sorted(Path(folder).glob("*.jsonl")) for line in path.read_text().splitlines()]
    wanted = expected_ids(folder, None, "a", "en")
    assert found == [name for name in (json.loads(line)["id"] for line in lines) if name in wanted]


@pytest.mark.parametrize(("label", "corpus", "language"), FILTERS)
def test_rows_and_durations_of_a_source_are_those_of_the_index(folder, label, corpus, language):
    [source] = open_sources([Source(folder, label=label, corpus=corpus, language=language)])
    for each in (source, pickle.loads(pickle.dumps(source))):
        rows = each.index_rows(np.arange(each.rows))
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()
        assert (each.durations() == each.index.rows["duration"][rows]).all()
        assert {row for row in range(-3, len(each.index) + 3) if each.has_row(row)} == set(rows.tolist())


def test_all_windows_of_a_label_are_a_range(folder, tmp_path):
    """Then no list of rows is held."""
    folder = write_cuts(tmp_path, [cut(number, "ab"[number % 2]) for number in range(20)])
    build_index(folder, overwrite=True)
    for source in (Source(folder, corpus="a"), Source(folder, label="b", language="")):
        [opened] = open_sources([source])
        assert isinstance(opened, OpenSource)
        assert opened.rows == 10
        assert (opened.chosen is None) == (source.label is not None)
    [opened] = open_sources([Source(folder, language="")])
    assert opened.chosen is None


@pytest.mark.parametrize("order", ORDERS[:2])
def test_a_run_goes_on_with_other_numbers_of_ranks_and_workers(folder, order):
    """Several sources of one index, some filtered and some not; nothing comes twice, nothing is lost."""
    sources = [Source(folder, corpus="a"), Source(folder, corpus="b", language="en"), Source(folder, label="call")]
    expected = sorted(
        each for source in sources for each in expected_ids(folder, source.label, source.corpus, source.language)
    )

    def read(size: tuple[int, int], counts: list[int], state: Any) -> tuple[list[str], Any]:
        ids, states = [], []
        for part in range(size[0] * max(size[1], 1)):
            worker, rank = divmod(part, size[0])
            loader = WindowLoader(sources, seed=5, partition=Partition(rank, size[0], worker, size[1]), **order)
            if state:
                loader.load_state_dict(state)
            passing = iter(loader)
            ids += [window["id"] for window in islice(passing, counts[part % len(counts)])]
            states.append(passing.state_dict() if hasattr(passing, "state_dict") else loader.state_dict())
        return ids, merge_states(json.loads(json.dumps(states)))

    for size in SIZES:
        for then in SIZES:
            first, state = read(size, [3, 1, 4], None)
            second, state = read(then, [2, 0], state)
            rest, _ = read(size, [1000], state)
            assert sorted([*first, *second, *rest]) == expected


def test_states_name_corpus_and_language_only_where_they_were_given(folder):
    keys = ["fingerprint", "label", "rows", "weight"]
    assert list(WindowLoader(folder).state_dict()["sources"][0]) == keys
    state = WindowLoader(Source(folder, corpus="a")).state_dict()
    assert list(state["sources"][0]) == [*keys, "corpus"]
    assert list(WindowLoader(Source(folder, corpus="a", language="en")).state_dict()["sources"][0])[4:] == [
        "corpus", "language",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [WindowLoader, lambda each: WindowBatches(each, batch_size=4)])
def test_a_state_of_another_corpus_or_language_is_refused(folder, kind):
    """Also where these have as many windows; and of none."""
    of_a = kind(Source(folder, corpus="a")).state_dict()
    with pytest.raises(StateError, match=r"sources\[0\]\.corpus: 'a' in the state, 'b' here"):
        kind(Source(folder, corpus="b")).load_state_dict(of_a)
    state = WindowLoader(folder).state_dict()
    changed = with_checksum({**state, "sources": [{**state["sources"][0], "language": "en"}]})
    with pytest.raises(StateError, match=r"sources\[0\]\.language: 'en' in the state, None here"):
        WindowLoader(folder).load_state_dict(changed)
    kind(Source(folder, corpus="a")).load_state_dict(of_a)


def test_batches_are_made_of_the_windows_of_a_corpus(folder):
    batches = WindowBatches(Source(folder, corpus="b", language="ja"), batch_size=4)
    loader = WindowLoader(folder)
    found = [loader.window((0, token.row))["id"] for batch in batches for token in batch]
    assert sorted(found) == sorted(expected_ids(folder, None, "b", "ja"))


ERRORS = [
    (Source("", corpus="c"), r"no windows of corpus 'c'; its corpora: 'a', 'b'"),
    (Source("", corpus=""), r"no windows of corpus ''; its corpora: 'a', 'b'"),
    (Source("", language="fr"), r"no windows in language 'fr'; its languages: '', 'de', 'en', 'ja'"),
    (Source("", corpus="a", language="fr"), r"in language 'fr' of corpus 'a'; its languages: "),
    (Source("", label="x", corpus="a"), r"no windows of label 'x'; its labels: 'ami', 'call'"),
]


@pytest.mark.parametrize(("source", "message"), ERRORS)
def test_labels_that_no_window_has_are_an_error_that_names_those_there_are(folder, source, message):
    with pytest.raises(SourceError, match=message):
        WindowLoader(Source(folder, label=source.label, corpus=source.corpus, language=source.language))


def test_labels_that_no_window_has_together(tmp_path):
    folder = write_cuts(tmp_path, [cut(0, "x"), cut(1, "y")])
    build_index(folder, overwrite=True)
    with pytest.raises(SourceError, match=r"no windows of label 'x' that are also of corpus 'y'$"):
        WindowLoader(Source(folder, label="x", corpus="y"))


def test_an_index_without_corpora_is_an_error_that_says_what_to_do(cuts):
    for source in (Source(cuts, corpus="ami"), Source(cuts, language="en")):
        with pytest.raises(SourceError, match="make the index again: alm-beam index DIR --overwrite"):
            WindowLoader(source)
    assert len(WindowLoader(Source(cuts, label="ami"))) == 60


def _ids(loader: WindowLoader, queue: Any) -> None:
    queue.put([window["id"] for window in loader])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loaders_go_to_other_processes(folder, method):
    context = multiprocessing.get_context(method)
    loader, queue = WindowLoader(Source(folder, corpus="a"), seed=1), context.Queue()
    process = context.Process(target=_ids, args=(loader, queue))
    process.start()
    found = queue.get(timeout=60)
    process.join()
    assert found == [window["id"] for window in WindowLoader(Source(folder, corpus="a"), seed=1)]


def test_checks_find_nothing_wrong_with_the_windows_of_a_corpus(folder):
    """File by file; `alm-beam check-loader --beta_corpus` reads such sources window by window."""
    asked = (Source(folder, corpus="a", language="en"), Source(folder, corpus="b"))
    recipe = LoaderRecipe("alm_beam.loader:WindowLoader", asked, 0, False, {}, ".", "shards", 7)
    config = CheckConfig(recipe, open_sources(asked), 1, 0, 1000)
    findings = [*static_checks(config, "text", None), *run_checks(config)]
    assert [each for each in findings if each.result == FAILED] == []
    assert len(findings) > 15
