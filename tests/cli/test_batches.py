"""`alm-beam batches`: its figures are those of the batches that ranks then get, and its exit codes."""

import json
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from alm_beam.audio.spans import counted_samples
from alm_beam.cli.main import main
from alm_beam.loader import Partition, Source, WindowBatches, largest_batches, largest_budget, mixture_sources
from alm_beam.loader.mixture_weights import expected_epochs
from tests.loader.batching.lengths import durations_like_speech, write_windows
from tests.loader.test_mixture_weights import labelled
from tests.schemas import check

COUNT = 400
RATE = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return write_windows(tmp_path_factory.mktemp("windows"), durations_like_speech(COUNT))


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> str:
    return write_windows(tmp_path_factory.mktemp("other"), durations_like_speech(90, 7), first=10_000)


def outline(capsys, *arguments: str) -> dict:
    """What the command prints as JSON."""
    assert main(["batches", *arguments, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    check("batches", [printed])
    return printed


def batches_of_ranks(sources, ranks, epoch=0, **more):
    """For each rank its batches, each as the samples of its windows; from what an iterator gives."""
    found = []
    for rank in range(ranks):
        batches = WindowBatches(sources, **more, partition=Partition(rank, ranks))
        batches.set_epoch(epoch)
        seconds = [each.index.rows["duration"] for each in batches.sources]
        found.append([[counted_samples(seconds[at][row], RATE) for at, row in batch] for batch in batches])
    return found


CASES = [
    (["--max_seconds=120"], 1, {"max_seconds": 120}),
    (["--max_num_elements=1600000", "--num_buckets=3"], 2, {"max_num_elements": 1_600_000, "buckets": 3}),
    (["--batch_size=7", "--drop_remainder"], 3, {"batch_size": 7, "drop_remainder": True}),
    (["--max_seconds=300", "--bucket_edges=5,12.5,61"], 8, {"max_seconds": 300, "buckets": [5.0, 12.5, 61.0]}),
    (
        ["--max_seconds=300", "--min_duration=3", "--max_duration=30", "--num_seqs_multiple_of=4"],
        2,
        {"max_seconds": 300, "min_duration": 3.0, "max_duration": 30.0, "num_seqs_multiple_of": 4},
    ),
]


@pytest.mark.parametrize(("flags", "ranks", "more"), CASES)
@pytest.mark.parametrize("epoch", [0, 3])
def test_figures_are_those_of_the_batches(folder, capsys, flags, ranks, more, epoch):
    printed = outline(capsys, folder, *flags, f"--world_size={ranks}", f"--epoch={epoch}")
    made = batches_of_ranks(folder, ranks, epoch, **more)
    every = [batch for batches in made for batch in batches if batch]
    padded = sum(len(batch) * max(batch) for batch in every)
    assert {len(batches) for batches in made} == {printed["steps"]}
    assert printed["batches"] == len(every)
    assert printed["windows"] == sum(map(len, every))
    assert printed["samples"] == sum(map(sum, every))
    assert printed["padded_samples"] == padded
    assert printed["padding"] == pytest.approx(1 - sum(map(sum, every)) / padded)
    largest = printed["largest"]
    assert largest["samples"]["padded_samples"] == max(len(batch) * max(batch) for batch in every)
    assert largest["longest"]["longest"] == max(map(max, every))
    assert largest["windows"]["windows"] == max(map(len, every))
    for each in largest.values():
        batch = made[each["rank"]][each["step"]]
        assert (each["windows"], each["longest"]) == (len(batch), max(batch))
        assert each["bytes"] == 4 * len(batch) * max(batch) <= printed["most_bytes"]
    last = [batches[-1] for batches in made]
    assert printed["last_step"]["windows"] == sum(map(len, last)) <= printed["last_step"]["full"]
    assert printed["last_step"]["empty"] == last.count([])
    assert printed["windows"] + printed["dropped"] + printed["shorter"] + printed["longer"] == COUNT


@pytest.mark.parametrize(("flags", "ranks", "more"), CASES)
def test_buckets_are_those_of_the_batches(folder, capsys, flags, ranks, more):
    printed = outline(capsys, folder, *flags, f"--world_size={ranks}")
    sizes, samples, padded, steps = Counter(), Counter(), Counter(), Counter()
    for rank in range(ranks):
        batches = WindowBatches(folder, **more, partition=Partition(rank, ranks))
        passing = iter(batches)
        seconds = batches.sources[0].index.rows["duration"]
        while len(passing):
            bucket = passing.bucket
            batch = [counted_samples(seconds[row], RATE) for _, row in next(passing)]
            steps[bucket] += rank == 0
            sizes[bucket] += len(batch)
            samples[bucket] += sum(batch)
            padded[bucket] += len(batch) * max(batch, default=0)
    for number, bucket in enumerate(printed["buckets"]):
        found = [bucket[name] for name in ("steps", "windows", "samples", "padded_samples")]
        assert found == [steps[number], sizes[number], samples[number], padded[number]]
    assert [(each["size"], each["longest"]) for each in printed["buckets"]] == batches.table(ranks)


def test_windows_that_are_left_out_are_counted_with_their_hours(folder, capsys):
    printed = outline(capsys, folder, "--max_seconds=120", "--min_duration=4", "--max_duration=20")
    seconds = np.array(durations_like_speech(COUNT))
    assert printed["source_windows"] == COUNT
    assert printed["source_seconds"] == pytest.approx(seconds.sum())
    assert (printed["shorter"], printed["longer"]) == ((seconds < 4).sum(), (seconds > 20).sum())
    assert printed["left_out_seconds"] == pytest.approx(seconds[(seconds < 4) | (seconds > 20)].sum())
    assert main(["batches", folder, "--max_seconds=120", "--min_duration=4"]) == 0
    out = capsys.readouterr().out
    assert re.search(rf"too short +{(seconds < 4).sum()}\n", out)


def test_the_histogram_counts_every_window(folder, capsys):
    printed = outline(capsys, folder, "--max_seconds=120")
    seconds = np.array(durations_like_speech(COUNT))
    bins = printed["lengths"]
    assert len(bins) <= 20
    assert [each["begin"] for each in bins[1:]] == [each["end"] for each in bins[:-1]]
    for each in bins:
        here = seconds[(seconds >= each["begin"]) & (seconds < each["end"])]
        assert (each["windows"], each["seconds"]) == (len(here), pytest.approx(here.sum(), abs=1e-3))
    assert sum(each["windows"] for each in bins) == COUNT


@pytest.mark.parametrize("flags", [["--max_seconds=120"], ["--batch_size=4", "--drop_remainder"]])
def test_sizes_to_try_give_the_steps_that_are_told(folder, capsys, flags):
    tried = outline(capsys, folder, *flags, "--world_size=2")["budgets"]
    assert len(tried) > 3
    for each in tried:
        name = "batch_size" if each["max_num_elements"] is None else "max_num_elements"
        found = outline(capsys, folder, f"--{name}={each[name]}", *flags[1:], "--world_size=2")
        assert found["steps"] == each["steps"]
        assert found["most_bytes"] == each["bytes"]
        sizes = [bucket["size"] for bucket in found["buckets"] if bucket["steps"]]
        assert (min(sizes), max(sizes)) == (each["fewest"], each["most"])
    sizes = [each["max_num_elements"] or each["batch_size"] for each in tried]
    assert all(after == 2 * before for before, after in pairwise(sizes))
    longest = max(counted_samples(each, RATE) for each in durations_like_speech(COUNT))
    assert sizes[0] == (1 if "--drop_remainder" in flags else longest)


@pytest.mark.parametrize("repeat", [False, True])
def test_sources_with_weights(folder, other, capsys, repeat):
    flags = ["--weights=1,3", *(["--repeat"] if repeat else [])]
    printed = outline(capsys, folder, other, *flags, "--max_seconds=120", "--world_size=2", "--seed=5")
    sources = [Source(folder, weight=1), Source(other, weight=3)]
    made = batches_of_ranks(sources, 2, max_seconds=120, repeat=repeat, seed=5)
    every = [batch for batches in made for batch in batches if batch]
    assert printed["windows"] == sum(map(len, every))
    assert (printed["windows"] > COUNT + 90) == repeat
    assert printed["padded_samples"] == sum(len(batch) * max(batch) for batch in every)
    assert printed["seed"] == 5


def test_expected_epochs_of_sources_count_what_is_not_left_out(folder, other, capsys):
    """With weights, and with weights that follow from hours; each window comes as often as told."""
    flags = ["--max_seconds=120", "--min_duration=5", "--repeat"]
    printed = outline(capsys, folder, other, "--weights=1,3", *flags)["sources"]
    sources = [Source(folder, weight=1), Source(other, weight=3)]
    read = Counter(
        token.source
        for batch in WindowBatches(sources, max_seconds=120, min_duration=5, repeat=True)
        for token in batch
    )
    usable = [sum(each >= 5 for each in durations_like_speech(*of)) for of in ((COUNT, 0), (90, 7))]
    assert [each["windows"] for each in printed] == usable
    assert [each["epochs"] for each in printed] == [read[at] / usable[at] for at in range(2)]
    assert main(["batches", folder, other, "--weights=1,3", *flags]) == 0
    assert f"\n  source 1: {printed[1]['source']}\n" in capsys.readouterr().out
    assert outline(capsys, folder, "--max_seconds=120")["sources"] == []


def test_weights_may_follow_from_hours(tmp_path, capsys):
    folder = labelled(tmp_path / "cuts", {("ami", "en"): 60, ("calls", "de"): 10})
    flags = ["--beta_corpus=0.5", "--beta_language=0", "--repeat", "--batch_size=4"]
    assert main(["batches", folder, *flags]) == 0
    out = capsys.readouterr().out
    sources = WindowBatches(mixture_sources(folder, beta_corpus=0.5, beta_language=0), batch_size=4).sources
    for number, each in enumerate(expected_epochs(sources)):
        assert f"  source {number}: {each}\n" in out
    with pytest.raises(SystemExit, match="2"):
        main(["batches", folder, "--beta_corpus=1", "--batch_size=4"])
    assert "--beta_corpus: give both" in capsys.readouterr().err


def test_an_epoch_that_drops_everything_is_told(folder, capsys):
    flags = ["--batch_size=300", "--drop_remainder", "--world_size=2"]
    printed = outline(capsys, folder, *flags)
    assert (printed["steps"], printed["dropped"]) == (0, COUNT)
    assert (printed["largest"], printed["last_step"]) == (None, None)
    assert main(["batches", folder, *flags]) == 0
    assert re.search(r"dropped, as they do not fill a step +400 ", capsys.readouterr().out)


def test_what_is_printed(folder, capsys):
    assert main(["batches", folder, "--max_seconds=120", "--world_size=2"]) == 0
    out = capsys.readouterr().out
    printed = outline(capsys, folder, "--max_seconds=120", "--world_size=2")
    assert re.search(rf"steps, which are batches of each rank +{printed['steps']:,}\n", out)
    assert re.search(rf"padding +{printed['padding']:.2%} ", out)
    assert f"{printed['most_bytes'] / 1e6:,.2f} MB, as float32" in out
    for bucket in printed["buckets"]:
        assert re.search(
            rf" {bucket['longest']:,} +{bucket['size']:,} +{bucket['steps']:,} +{bucket['windows']:,} ", out
        )
    assert all(line.isprintable() for line in out.split("\n"))


def test_largest_batches_are_those_of_the_outline(folder, capsys):
    printed = outline(capsys, folder, "--max_seconds=120", "--world_size=2", "--epoch=1")["largest"]
    batches = WindowBatches(folder, max_seconds=120, partition=Partition(1, 2))
    found = largest_batches(batches, epoch=1)
    assert 1 <= len(found) <= 3
    made = []
    for rank in range(2):
        of_rank = WindowBatches(folder, max_seconds=120, partition=Partition(rank, 2))
        of_rank.set_epoch(1)
        made.append(list(of_rank))
    assert {tuple(tokens) for tokens in found} == {tuple(made[each["rank"]][each["step"]]) for each in printed.values()}
    assert largest_batches(WindowBatches(folder, batch_size=500, drop_remainder=True)) == []


class TestSearch:
    @pytest.mark.parametrize("limit", [100, 101, 199, 200, 777, 9_999, 10_000, 50_000])
    def test_it_ends_near_the_largest_budget_that_fits(self, limit):
        tried = []

        def fits(budget):
            tried.append(budget)
            return budget <= limit

        found = largest_budget(fits, 100, 10_000)
        assert found in tried
        assert found <= limit
        assert found >= min(limit, 10_000) / 1.06
        assert max(tried) <= 10_000
        assert tried[:2] == [100, 200]

    def test_where_nothing_fits_it_says_what_to_do(self):
        with pytest.raises(ValueError, match=r"a budget of 100 does not fit.*max_duration"):
            largest_budget(lambda budget: False, 100, 200)

    @pytest.mark.parametrize("bounds", [(0, 10), (11, 10)])
    def test_bounds_must_be_bounds(self, bounds):
        with pytest.raises(ValueError, match="must be 1 <= least <= most"):
            largest_budget(lambda budget: True, *bounds)


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["none", "--max_seconds=9"], 1, "there is no index"),
        (["DIR"], 2, "one of the arguments --max_num_elements --max_seconds --batch_size is required"),
        (["DIR", "--max_seconds=9", "--batch_size=3"], 2, "not allowed with argument"),
        (["DIR", "--max_seconds=100", "--num_buckets=2", "--bucket_edges=9"], 2, "not allowed with argument"),
        (["DIR", "--max_seconds=-1"], 2, "--max_seconds=-1.0: must be a number of seconds above 0"),
        (["DIR", "--max_seconds=nan"], 2, "--max_seconds=nan: must be a number of seconds above 0"),
        (["DIR", "--max_num_elements=0"], 2, "--max_num_elements=0: must be an integer, at least 1"),
        (["DIR", "--batch_size=x"], 2, "invalid int value: 'x'"),
        (["DIR", "--batch_size=3", "--num_buckets=0"], 2, "--num_buckets=0: must be an integer, at least 1"),
        (
            ["DIR", "--batch_size=3", "--bucket_edges=9,5"],
            2,
            "--bucket_edges=[9.0, 5.0]: where buckets end must ascend",
        ),
        (
            ["DIR", "--batch_size=3", "--bucket_edges=9,x"],
            2,
            "--bucket_edges=9,x: must be seconds, separated by commas",
        ),
        (["DIR", "--batch_size=3", "--sample_rate=0"], 2, "--sample_rate=0: must be an integer, at least 1"),
        (["DIR", "--batch_size=3", "--min_duration=9", "--max_duration=3"], 2, "--max_duration=3.0: is below"),
        (["DIR", "--batch_size=3", "--world_size=0"], 2, "--world_size=0: must be from 1 to 1,048,576"),
        (["DIR", "--batch_size=3", "--epoch=-1"], 2, "--epoch=-1: must be from 0 to"),
        (["DIR", "--batch_size=3", "--weights=1,2"], 2, "--weights: 2 weights for 1 folders"),
        (["DIR", "--batch_size=3", "--repeat"], 2, "--repeat: repeats sources so that their weights hold"),
        (["DIR", "--batch_size=3", "--storage_options=x"], 2, "--storage_options: "),
        (["DIR", "--batch_size=3", "--buckets=3"], 2, "unknown argument --buckets"),
        (
            ["DIR", "--max_seconds=9"],
            1,
            "the longest window has 816,816 samples (51.051 s at 16000 Hz)",
        ),
        (["DIR", "--batch_size=3", "--bucket_edges=9"], 1, "the last of the buckets ends at 144,000"),
        (["DIR", "--batch_size=3", "--min_duration=100"], 1, "none of 400 windows is within these limits"),
    ],
)
def test_what_cannot_be_planned(folder, capsys, arguments, code, why):
    try:
        found = main(["batches", *(folder if each == "DIR" else each for each in arguments)])
    except SystemExit as stopped:
        found = stopped.code
    printed = capsys.readouterr()
    assert (found, printed.out) == (code, "")
    assert why in printed.err
    assert printed.err.count("\n") == 1
