from itertools import islice

import numpy as np
import pytest

from alm_beam.core.parameters import ConfigError
from alm_beam.loader.batching.stream_mixture import MixtureStream, draws, rows_in_order
from alm_beam.loader.mixture import WeightError
from alm_beam.loader.partition import Partition
from tests.loader.batching.goldens import goldens

STREAMS = goldens("mixture_stream")
WEIGHTED = [golden for golden in STREAMS if golden["mode"] == "train_streaming" and golden["split"] != "train_nots"]
SINGLE = [golden for golden in STREAMS if golden["split"] == "train_nots"]
EVALUATION = [golden for golden in STREAMS if golden["mode"] == "evaluation"]


def weights_of(golden) -> dict[tuple[str, str], float]:
    """Weights by the formula of the specification."""
    hours = {(corpus, language): hours for corpus, language, hours in golden["tsv"]}
    corpora = {}
    for (corpus, _), of_pair in hours.items():
        corpora[corpus] = corpora.get(corpus, 0) + of_pair
    by_corpus = {
        corpus: (of_one / sum(corpora.values())) ** golden["beta_corpus"] for corpus, of_one in corpora.items()
    }
    shares = {pair: (of_pair / corpora[pair[0]]) ** golden["beta_language"] for pair, of_pair in hours.items()}
    return {
        pair: by_corpus[pair[0]]
        / sum(by_corpus.values())
        * share
        / sum(other for key, other in shares.items() if key[0] == pair[0])
        for pair, share in shares.items()
    }


def sources_of(golden, keep=lambda corpus: True) -> dict[tuple[str, str], list[list[tuple[str, str, int]]]]:
    """By corpus and language the row groups of their rows."""
    size = golden["row_group_rows"]
    return {
        (corpus, language): [
            [(corpus, language, row) for row in range(begin, min(begin + size, rows))] for begin in range(0, rows, size)
        ]
        for corpus, language, rows in golden["partitions_on_disk_rows"]
        if keep(corpus)
    }


def rows_of(golden) -> list[tuple[str, str, int]]:
    return [tuple(row) for row in golden["items_corpus_lang_row"]]


def with_first_rows(rows, size) -> list[tuple[str, str, int]]:
    """The rows as they come when none is lost: the first of each source, and then those that upstream gave."""
    by_source = {}
    for corpus, language, row in rows:
        if (corpus, language) not in by_source:
            assert row % size == 1, "upstream lost the first row of the row group"
            by_source[corpus, language] = [(corpus, language, row - 1)]
        by_source[corpus, language].append((corpus, language, row))
    left = {source: iter(of_source) for source, of_source in by_source.items()}
    return [next(left[corpus, language]) for corpus, language, _ in rows]


def corpora_of(golden):
    """Whether a corpus is of the split, and has a weight."""
    _, _, corpus = golden["split"].partition("_")
    return lambda found: found == corpus if corpus else found != "nots"


@pytest.mark.parametrize("golden", WEIGHTED, ids=lambda one: f"{one['split']}-{one['world']}-{one['rank']}")
def test_weighted_stream_equal_to_omnilingual_but_for_the_rows_that_it_loses(golden):
    stream = MixtureStream(
        sources_of(golden, corpora_of(golden)),
        weights_of(golden),
        seed=golden["fragment_seed"],
        sampling_seed=golden["sampling_seed"],
        partition=Partition(golden["rank"], golden["world"]),
    )
    expected = with_first_rows(rows_of(golden), golden["row_group_rows"])
    assert list(islice(stream, len(expected))) == expected
    assert ("b", "w") in stream.unused_weights


@pytest.mark.parametrize("golden", WEIGHTED, ids=lambda one: f"{one['split']}-{one['world']}-{one['rank']}")
def test_weighted_stream_equal_to_omnilingual_once_the_same_rows_are_taken_away(golden):
    """Of each source, the row group that comes first is here without its first row, once."""
    lost = {}
    for corpus, language, row in rows_of(golden):
        lost.setdefault((corpus, language), row - 1)

    class Groups(list):
        is_first = True

        def __getitem__(self, number):
            rows, self.is_first = (super().__getitem__(number)[self.is_first :]), False
            return rows

    sources = {key: Groups(groups) for key, groups in sources_of(golden, corpora_of(golden)).items()}
    partition = Partition(golden["rank"], golden["world"])
    found = list(islice(MixtureStream(sources, weights_of(golden), partition=partition), len(rows_of(golden))))
    assert found == rows_of(golden)
    assert set(lost) == set(sources)


@pytest.mark.parametrize("golden", SINGLE, ids=lambda one: one["split"])
def test_one_source_needs_no_weight(golden):
    sources = sources_of(golden, lambda corpus: corpus == "nots")
    for weights in (None, weights_of(golden)):
        stream = MixtureStream(sources, weights, seed=golden["fragment_seed"])
        assert list(islice(stream, len(rows_of(golden)))) == rows_of(golden)


@pytest.mark.parametrize("golden", EVALUATION, ids=lambda one: f"{one['world']}-{one['rank']}")
def test_evaluation_equal_to_omnilingual(golden):
    partition = Partition(golden["rank"], golden["world"])
    assert list(rows_in_order(sources_of(golden), partition)) == rows_of(golden)


@pytest.mark.parametrize("golden", goldens("sample_draws"), ids=lambda golden: str(golden["weights"]))
def test_draws_equal_to_fairseq2(golden):
    expected = golden["partition_of_draw"]
    assert list(islice(draws(golden["weights"], golden["seed"]), len(expected))) == expected


def test_each_source_is_drawn_by_its_weight():
    found = list(islice(draws([1, 2, 5], seed=7), 80_000))
    assert [round(found.count(number) / 10_000, 1) for number in range(3)] == [1.0, 2.0, 5.0]


def test_a_number_at_a_bound_draws_the_source_below_it():
    first = int(np.random.RandomState(261).randint(0, 1 << 32, dtype=np.uint32)) % (1 << 24) / (1 << 24)
    assert next(draws([first, 1 - first], seed=261)) == 0
    below = first - 2**-24
    assert next(draws([below, 1 - below], seed=261)) == 1


def test_numbers_above_the_last_bound_draw_the_last_source():
    """The sum is so near to 1 that fairseq2 does not divide by it."""
    found = list(islice(draws([0.4, 0.59991], seed=0), 200_000))
    assert set(found) == {0, 1}
    assert 1 in islice(draws([0.99991, 1e-9], seed=0), 200_000)


def test_without_weights_each_row_of_all_sources_comes_in_each_epoch():
    golden = STREAMS[0]
    sources = sources_of(golden)
    rows = sorted(row for groups in sources.values() for group in groups for row in group)
    stream = iter(MixtureStream(sources))
    orders = [list(islice(stream, len(rows))) for _ in range(3)]
    assert all(sorted(order) == rows for order in orders)
    assert len({tuple(order) for order in orders}) == 3


@pytest.mark.parametrize("world", [2, 3, 5, 8])
def test_ranks_share_the_row_groups_of_each_epoch(world):
    """Positions r, r + W, ... of a list of 100 epochs that repeats, also where the list is no multiple of W."""
    groups = [[number] for number in range(7)]
    streams = [iter(MixtureStream({"a": groups}, seed=2, partition=Partition(rank, world))) for rank in range(world)]
    in_turn = [row for step in islice(zip(*streams), 1600 // world) for row in step]
    for begin in range(0, 1500, 7):
        assert sorted(in_turn[begin : begin + 7]) == list(range(7))
    assert in_turn[700:1500] == in_turn[:800]
    assert in_turn[7:14] != in_turn[:7]


def test_ranks_draw_the_same_sources():
    sources = {name: [[f"{name}{number}"] for number in range(9)] for name in "ab"}
    weights = {"a": 0.4, "b": 0.6}
    found = [
        [row[0] for row in islice(MixtureStream(sources, weights, partition=Partition(rank, 3)), 50)]
        for rank in range(3)
    ]
    assert found[0] == found[1] == found[2]


def test_a_second_pass_is_the_same_and_changes_nothing():
    sources = {name: [[f"{name}{number}"] for number in range(9)] for name in "ab"}
    stream = MixtureStream(sources, {"a": 1, "b": 1})
    first = list(islice(stream, 40))
    assert list(islice(stream, 40)) == list(islice(MixtureStream(sources, {"a": 1, "b": 1}), 40)) == first


def test_row_groups_are_opened_when_they_are_read():
    opened = []

    class Groups:
        def __len__(self):
            return 5

        def __getitem__(self, number):
            opened.append(number)
            return [number] * 10

    stream = iter(MixtureStream({"a": Groups(), "b": Groups()}, {"a": 1, "b": 1}))
    assert opened == []
    next(stream)
    assert len(opened) == 1


SOURCES = {("a", "x"): [["x"]], ("a", "y"): [["y"]], ("b", "z\n"): [["z"]]}


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), "1", True, None])
def test_wrong_weights_are_named(weight):
    with pytest.raises(WeightError, match=r"the weight of \('a', 'y'\) is .*; it must be a number above 0"):
        MixtureStream(SOURCES, {("a", "x"): 1, ("a", "y"): weight, ("b", "z\n"): 1})


def test_sources_without_a_weight_are_named():
    with pytest.raises(
        WeightError, match=r"there is no weight for \('a', 'x'\), \('b', 'z\\n'\), so no row .* give one"
    ):
        MixtureStream(SOURCES, {("a", "y"): 1.0, ("c", "x"): 1.0})


@pytest.mark.parametrize("weights", [[1, 1e-9], [1, 1e-9, 1], [1, 1e-300], [1 - 1e-8, 1e-8]])
def test_weights_too_small_to_be_drawn_are_named(weights):
    with pytest.raises(WeightError, match=r"the weight of \d is .*e-.*, so small .* never be drawn"):
        draws(weights, 0)


def test_weights_that_overflow_are_told():
    with pytest.raises(WeightError, match=r"the weights sum to 6e\+38; scale them"):
        draws([3e38, 3e38], 0)


@pytest.mark.parametrize(
    ("sources", "arguments", "fault"),
    [
        ({}, {}, "must have at least one source"),
        ({"a": []}, {}, "{'a': .*the source has no row group; leave it out"),
        ({"a": [[1]]}, {"seed": -1}, "seed=-1: must be an integer, at least 0"),
        ({"a": [[1]]}, {"seed": 2**32}, "seed=4294967296: .* must be below"),
        ({"a": [[1]]}, {"sampling_seed": 1.5}, "sampling_seed=1.5: must be an integer"),
        ({"a": [[], []]}, {}, "the sources.*its row groups have no rows; leave it out"),
    ],
)
def test_wrong_sources_and_seeds_are_refused(sources, arguments, fault):
    with pytest.raises(ConfigError, match=fault):
        next(iter(MixtureStream(sources, **arguments)))
