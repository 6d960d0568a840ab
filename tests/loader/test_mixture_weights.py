"""Mixtures by corpus and language: weights as Omnilingual ASR computes them, hours of indexes and of summaries."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alm_beam.cli.main import main
from alm_beam.loader import Source, SourceError, WeightError, WindowBatches, WindowLoader, mixture_sources
from alm_beam.loader.mixture_summary import SummaryError, read_summary
from alm_beam.loader.mixture_weights import SummaryWarning, expected_epochs, hours_by_label, mixture_weights
from alm_beam.storage.index.build import build_index
from alm_beam.storage.index.open import open_index
from tests.loader.cuts import cut, write_cuts

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "batching" / "mixture_weights.json").read_text())
HALF = {"beta_corpus": 0.5, "beta_language": 0.5}


def labelled(folder: Path, counts: dict[tuple[str, str], int], first: int = 0) -> str:
    """A folder of so many windows of each corpus and language, with an index."""
    pairs = [pair for pair, count in counts.items() for _ in range(count)]
    cuts: list[dict[str, Any]] = []
    for number, (corpus, language) in enumerate(pairs, first):
        cuts.append({**cut(number), "duration": 36.0, "custom": {"corpus": corpus, "language": language}})
    write_cuts(folder, cuts, shards=2)
    build_index(str(folder), overwrite=True)
    return str(folder)


def table(folder: Path, text: str) -> str:
    (folder / "hours.tsv").write_text(text)
    return str(folder / "hours.tsv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    counts = {("ami", "en"): 60, ("calls", "en"): 30, ("calls", "de"): 10}
    return labelled(tmp_path_factory.mktemp("mixed"), counts)


@pytest.mark.parametrize("number", range(len(GOLDEN)))
def test_weights_are_those_of_omnilingual(number, tmp_path):
    golden = GOLDEN[number]
    betas = {"beta_corpus": golden["beta_corpus"], "beta_language": golden["beta_language"]}
    text = "corpus\tlanguage\thours\n" + "".join("\t".join(map(str, row)) + "\n" for row in golden["rows"])
    if len({(corpus, language) for corpus, language, _ in golden["rows"]}) < len(golden["rows"]):
        with pytest.raises(SummaryError, match="line 7: corpus 'a', language 'x' was in line 2 already"):
            read_summary(table(tmp_path, text))
        return
    hours = read_summary(table(tmp_path, text))
    expected = {(corpus, language): weight for corpus, language, weight in golden["weights"]}
    if None in expected.values():
        with pytest.raises(WeightError, match="corpus 'c': has 0 hours"):
            mixture_weights(hours, **betas)
        hours = {pair: count for pair, count in hours.items() if count}
        expected = {pair: weight for pair, weight in expected.items() if weight is not None}
    found = mixture_weights(hours, **betas)
    assert list(found) == list(expected)
    assert all(math.isclose(found[pair], weight, rel_tol=0, abs_tol=1e-9) for pair, weight in expected.items())


@pytest.mark.parametrize("beta", [-0.1, math.nan, math.inf, True, "1", None])
def test_a_beta_that_is_none_is_refused(beta):
    for name in HALF:
        with pytest.raises(WeightError, match=rf"{name}=.*: must be a number, at least 0"):
            mixture_weights({("a", "x"): 1.0}, **{**HALF, name: beta})


@pytest.mark.parametrize("hours", [-1.0, math.nan, math.inf, "1"])
def test_hours_that_are_none_are_refused(hours):
    with pytest.raises(WeightError, match=r"corpus 'a', language 'x': has .* hours; must be a number, at least 0"):
        mixture_weights({("a", "x"): hours}, **HALF)
    with pytest.raises(WeightError, match="hours of all corpora"):
        mixture_weights({}, **HALF)
    with pytest.raises(WeightError, match="beta_language is so large that all weights are 0"):
        mixture_weights({("a", str(number)): 1.0 for number in range(9)}, beta_corpus=1, beta_language=1e6)


SUMMARIES = {
    "nothing": ("", r"line 1: the header has no column 'corpus'.* has nothing"),
    "a column missing": ("corpus\tlanguage\tminutes\na\tb\t1\n", r"line 1: .*no column 'hours'.*'minutes'"),
    "a column twice": ("corpus\thours\tlanguage\thours\n", r"line 1: .*more than one column 'hours'"),
    "commas": ("corpus,language,hours\n", r"line 1: .*no column 'corpus'"),
    "no line": ("corpus\tlanguage\thours\n\n", "has no line below its header"),
    "too few cells": ("corpus\tlanguage\thours\na\tb\t1\n\na\tc\n", "line 4: has 2 cells, too few for"),
    "twice": ("corpus\tlanguage\thours\na\tb\t1\na\tb\t2\n", "line 3: corpus 'a', language 'b' was in line 2"),
    "an open quote": ('corpus\tlanguage\thours\na\tb\t1\na\t"c\t2\n', "line 3: is no line of a table"),
    **{
        f"hours {text}": (f"corpus\tlanguage\thours\na\tb\t1\na\tc\t{text}\n", r"line 3: hours '.*': must be a number")
        for text in ("nan", "-1", "inf", "1e999", "many", "", "1_000", "1,5", "٣", "0x10")
    },
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_summary_that_cannot_be_used_names_file_and_line(tmp_path, name):
    text, message = SUMMARIES[name]
    with pytest.raises(SummaryError, match=r"hours\.tsv: " + message):
        read_summary(table(tmp_path, text))


def test_a_summary_that_is_no_text_or_is_not_there(tmp_path):
    (tmp_path / "hours.tsv").write_bytes(b"corpus\tlanguage\thours\na\t\xff\t1\n")
    with pytest.raises(SummaryError, match=r"hours\.tsv: line 2: is no text in UTF-8"):
        read_summary(str(tmp_path / "hours.tsv"))
    with pytest.raises(SummaryError, match=r"none\.tsv: there is no such file"):
        read_summary(str(tmp_path / "none.tsv"))


def test_a_summary_may_have_other_columns_any_order_and_the_marks_of_windows(tmp_path):
    text = "\ufefflanguage\tfiles\thours\tcorpus\r\nen\t7\t1.5e2\t ami \r\n\r\nde\t1\t.5\tcalls\r\n"
    (tmp_path / "hours.tsv").write_bytes(text.encode())
    assert read_summary(str(tmp_path / "hours.tsv")) == {("ami", "en"): 150.0, ("calls", "de"): 0.5}


def test_hours_come_from_the_index(folder):
    found = hours_by_label(open_index(folder))
    assert found == pytest.approx({("ami", "en"): 0.6, ("calls", "de"): 0.1, ("calls", "en"): 0.3})


def test_sources_have_the_weights_of_their_hours(folder):
    sources = mixture_sources(folder, **HALF)
    assert [(each.url, each.corpus, each.language) for each in sources] == [
        (folder, "ami", "en"), (folder, "calls", "de"), (folder, "calls", "en"),
    ]  # fmt: skip
    expected = mixture_weights({("ami", "en"): 60, ("calls", "de"): 10, ("calls", "en"): 30}, **HALF)
    assert [each.weight for each in sources] == pytest.approx([*expected.values()])
    loader = WindowLoader(sources, seed=4, repeat=True)
    read = Counter((window["custom"]["corpus"], window["custom"]["language"]) for window in loader)
    for pair, weight in expected.items():
        assert abs(read[pair] - weight * len(loader)) <= 1


def test_batches_take_the_sources_of_a_mixture(folder):
    sources = mixture_sources(folder, **HALF)
    batches = WindowBatches(sources, batch_size=8, repeat=True)
    found = Counter(token.source for batch in batches for token in batch)
    total = sum(found.values())
    for number, each in enumerate(sources):
        assert abs(found[number] - (each.weight or 0) * total) <= 1


def test_several_folders_share_a_weight_by_their_windows(folder, tmp_path):
    more = labelled(tmp_path, {("ami", "en"): 20, ("new", ""): 20}, first=1000)
    sources = mixture_sources([folder, more], **HALF)
    weights = {(each.url, each.corpus, each.language): each.weight for each in sources}
    assert weights[folder, "ami", "en"] == pytest.approx(3 * weights[more, "ami", "en"])
    hours = {("ami", "en"): 80, ("calls", "de"): 10, ("calls", "en"): 30, ("new", ""): 20}
    expected = mixture_weights(hours, **HALF)
    assert weights[more, "new", ""] == pytest.approx(expected["new", ""])
    assert weights[folder, "ami", "en"] + weights[more, "ami", "en"] == pytest.approx(expected["ami", "en"])
    assert sum(filter(None, weights.values())) == pytest.approx(1)


def test_weights_follow_the_summary_and_differences_are_named(folder, tmp_path):
    text = "corpus\tlanguage\thours\nami\ten\t600\ncalls\ten\t0.3\ncalls\tde\t0.1\ncalls\tfr\t5\nx\ty\t0.6\n"
    with pytest.warns(SummaryWarning) as found:
        sources = mixture_sources(folder, **HALF, summary=table(tmp_path, text))
    assert [str(each.message) for each in found] == [
        "corpus 'ami', language 'en': 600.00 hours in the summary, 0.60 in the index; the weights follow the summary",
        "corpus 'calls', language 'fr': 5.00 hours in the summary, no windows in the index; its row is ignored",
        "corpus 'x', language 'y': 0.60 hours in the summary, no windows in the index; its row is ignored",
    ]
    hours = {("ami", "en"): 600, ("calls", "en"): 0.3, ("calls", "de"): 0.1, ("calls", "fr"): 5, ("x", "y"): 0.6}
    weights = mixture_weights(hours, **HALF)
    there = [weights["ami", "en"], weights["calls", "de"], weights["calls", "en"]]
    assert [each.weight for each in sources] == pytest.approx([weight / sum(there) for weight in there])


def test_windows_that_the_summary_lacks_are_an_error(folder, tmp_path):
    summary = table(tmp_path, "corpus\tlanguage\thours\nami\ten\t1\n")
    what = r"no line of corpus 'calls', language 'de'; corpus 'calls', language 'en', of which there are windows"
    with pytest.raises(SummaryError, match=what):
        mixture_sources(folder, **HALF, summary=summary)


def test_what_windows_do_not_state_may_be_unknown_in_the_summary(tmp_path):
    folder = labelled(tmp_path / "cuts", {("ami", ""): 3, ("", "en"): 3})
    text = "corpus\tlanguage\thours\nami\tunknown\t0.03\nunknown\ten\t0.03\n"
    sources = mixture_sources(folder, **HALF, summary=table(tmp_path, text))
    assert [(each.corpus, each.language) for each in sources] == [("", "en"), ("ami", "")]
    both = labelled(tmp_path / "both", {("ami", ""): 3, ("ami", "unknown"): 3})
    with pytest.raises(SummaryError, match="are both the line of corpus 'ami', language 'unknown'"):
        mixture_sources(both, **HALF, summary=table(tmp_path, text))


def test_windows_that_would_never_be_read_are_an_error(folder, tmp_path):
    text = "corpus\tlanguage\thours\nami\ten\t1\ncalls\ten\t1\ncalls\tde\t{}\n"
    with pytest.raises(WeightError, match="corpus 'calls', language 'de': has 0 hours, so its windows would never"):
        mixture_sources(folder, **HALF, summary=table(tmp_path, text.format(0)))
    with pytest.raises(
        WeightError, match=r"hours\.tsv: corpus 'x': has 0 hours, by which its languages have no weights"
    ):
        mixture_sources(folder, **HALF, summary=table(tmp_path, text.format(1) + "x\ty\t0\n"))
    with pytest.raises(WeightError, match=r"'de': has the weight .*, less than 1/65,536 of all.*smaller betas"):
        mixture_sources(folder, beta_corpus=1, beta_language=1, summary=table(tmp_path, text.format(1e-5)))


def test_folders_that_cannot_be_mixed(folder, tmp_path, cuts):
    with pytest.raises(SourceError, match="is given twice"):
        mixture_sources([folder, folder], **HALF)
    with pytest.raises(SourceError, match="is given twice"):
        mixture_sources([folder, f"{folder}/"], **HALF)
    with pytest.raises(SourceError, match="there is no source"):
        mixture_sources([], **HALF)
    with pytest.raises(SourceError, match="before indexes held corpus and language; make the index again"):
        mixture_sources(cuts, **HALF)  # whose index is of version 2
    with pytest.raises(SourceError, match="there is no window"):
        mixture_sources(labelled(tmp_path, {}), **HALF)


def test_expected_epochs_are_those_that_are_read(folder):
    loader = WindowLoader(mixture_sources(folder, **HALF), repeat=True)
    expected = expected_epochs(loader.sources)
    read = Counter((window["custom"]["corpus"], window["custom"]["language"]) for window in loader)
    for each in expected:
        assert each.steps == read[each.source.corpus or "", each.source.language or ""]
        assert each.share == pytest.approx(each.steps / len(loader))
        assert each.epochs == each.steps / each.windows >= 1
    assert min(each.epochs for each in expected) < 1.1
    assert [each.windows for each in expected] == [60, 10, 30]
    assert "corpus 'calls', language 'de': 10 windows, 0.10 hours; " in str(expected[1])
    with pytest.raises(WeightError, match="has no weight"):
        expected_epochs(WindowLoader(Source(folder)).sources)


def test_check_loader_mixes_and_prints_expected_epochs(folder, tmp_path, capsys):
    text = "corpus\tlanguage\thours\nami\ten\t0.6\ncalls\ten\t0.3\ncalls\tde\t0.2\n"
    flags = ["--beta_corpus=0.5", "--beta_language=0", f"--summary={table(tmp_path, text)}", "--repeat"]
    code = main(["check-loader", folder, *flags, "--world_size=1", "--num_workers=0"])
    out = capsys.readouterr().out
    assert code == 0, out
    assert "summary: corpus 'calls', language 'de': 0.20 hours in the summary, 0.10 in the index" in out
    for number, each in enumerate(expected_epochs(WindowLoader(_quiet(folder, flags)).sources)):
        assert f"  source {number}: {each}" in out


def _quiet(folder: str, flags: list[str]) -> list[Source]:
    summary = flags[2].removeprefix("--summary=")
    with pytest.warns(SummaryWarning):
        return mixture_sources(folder, beta_corpus=0.5, beta_language=0, summary=summary)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--beta_corpus=1"], "--beta_corpus: give both"),
        (["--summary=x.tsv"], "--summary: its hours give weights by"),
        (["--beta_corpus=1", "--beta_language=1", "--weights=1"], "--weights: --beta_corpus and --beta_language give"),
        (["--beta_corpus=1", "--beta_language=1", "--order=shards"], "--order=shards: sources with weights"),
        (["--beta_corpus=-1", "--beta_language=1"], "beta_corpus=-1.0: must be a number, at least 0"),
        (["--beta_corpus=1", "--beta_language=1", "--summary=none.tsv"], "--summary: none.tsv: there is no such file"),
    ],
)
def test_check_loader_refuses_flags_that_do_not_fit(folder, capsys, flags, message):
    with pytest.raises(SystemExit) as stopped:
        main(["check-loader", folder, *flags])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
