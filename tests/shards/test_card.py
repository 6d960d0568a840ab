"""The card of a data set. Its lines that load it run where the library is at hand."""

import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from alm_beam.core.shards_config import ShardsConfig
from alm_beam.core.shards_stats import Notice, ShardsStats
from alm_beam.jobs.run import facts_of
from alm_beam.shards.card import data_card
from alm_beam.shards.input_cfg import input_cfg
from alm_beam.shards.registry import FORMATS
from tests.shards.made_windows import window_of, written

STATS = ShardsStats(
    recordings=1234,
    rejected=Counter({"audio_missing": 3, "audio_too_short": 1}),
    shards=3,
    audio_seconds=5400.0,
    audio_bytes=98_765_432,
    padded_seconds=0.25,
    sources=Counter({"radio|<b>*x*": 1000, "": 200, "a`b": 34}),
    speakers=Counter({10: 200, 2: 1034}),
    sample_rates=Counter({16000: 1234}),
    channels=Counter({1: 1234}),
    findings=Counter({Notice.PADDED.value: 5, Notice.SCALED.value: 7}),
)


def card_of(form: str, stats: ShardsStats = STATS, **parameters: object) -> str:
    config = ShardsConfig.of({"input": "s3://user:topsecret@windows/", "output": "out", "format": form, **parameters})
    return data_card(stats, facts_of(config))


def tables(card: str) -> list[list[list[str]]]:
    """The texts of the cells of each table, as a reader sees them."""
    found: list[list[list[str]]] = []
    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(card.split("---\n", 2)[2])
    for token, inner in pairwise(tokens):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("td_open", "th_open"):
            found[-1][-1].append("".join(each.content for each in inner.children))
    return found


def test_the_card_tells_what_is_in_the_data():
    totals, speakers, rates, channels, sources, met, parameters = tables(card_of("shar"))
    assert totals[1:] == [
        ["hours of audio", "1.50"],
        ["windows", "1,234"],
        ["shards", "3"],
        ["bytes of audio", "98,765,432"],
    ]
    assert speakers[1:] == [["2", "1,034"], ["10", "200"]]
    assert rates[1:] == [["16000", "1,234"]]
    assert channels[1:] == [["1", "1,234"]]
    assert sources[1:] == [["radio|<b>*x*", "1,000"], ["none stated", "200"], ["a`b", "34"]]
    counts = dict(met)
    assert counts["windows whose audio ended too early, padded with silence"] == "5"
    assert counts["seconds of silence that were added"] == "0.250"
    assert counts["cuts that could not be used, which are in rejects-*"] == "4"
    assert counts["of those, audio_missing"] == "3"
    assert dict(parameters)["format"] == "shar"


def test_each_notice_has_words():
    stats = ShardsStats(findings=Counter({notice.value: 11 + at for at, notice in enumerate(Notice)}))
    met = tables(card_of("shar", stats))[5]
    assert {count for _, count in met} >= {str(11 + at) for at in range(len(Notice))}


def test_secrets_are_not_in_the_card():
    card = card_of("nemo", storage_options={"key": "hidden-key"})
    assert "topsecret" not in card
    assert "hidden-key" not in card
    assert "s3\\:\\/\\/windows" in card


def test_text_of_others_cannot_break_the_card():
    evil = "x\n\n# Title | ![a](http://b) <script> `c` $d$"
    stats = ShardsStats(sources=Counter({evil: 3}))
    card = card_of("shar", stats, corpus=evil)
    assert "\n# Title" not in card
    found = tables(card)
    assert found[4][1] == [evil.replace("\n", "\\n"), "3"]
    assert dict(found[-1])["corpus"] == evil.replace("\n", "\\n")
    assert "<script>" not in MarkdownIt("commonmark").enable("table").render(card)


def test_many_sources_are_summed_up():
    stats = ShardsStats(sources=Counter({f"s{number:03}": 1 + number for number in range(100)}))
    sources = tables(card_of("shar", stats))[4][1:]
    assert sources[0] == ["s099", "100"]
    assert sources[-1] == ["80 others", "3,240"]
    assert len(sources) == 21


@pytest.mark.parametrize(("language", "expected"), [("en", ["en"]), ("eng_Latn", None), (None, None)])
def test_the_head_is_that_of_hugging_face(language, expected):
    head = yaml.safe_load(card_of("parquet", **({"language": language} if language else {})).split("---\n")[1])
    assert head.get("language") == expected
    assert head["size_categories"] == ["1K<n<10K"]
    assert head["configs"] == [{"config_name": "default", "data_files": "parquet/**/*.parquet"}]


def test_a_run_without_windows_has_a_card():
    assert "| hours of audio | 0.00 |" in card_of("webdataset", ShardsStats())


def examples(card: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", card, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("ending", ["flac", "opus"])
@pytest.mark.parametrize(
    ("form", "library"),
    [("shar", "lhotse"), ("nemo", "nemo.collections.common"), ("webdataset", "webdataset"), ("parquet", "pyarrow")],
)
def test_the_lines_that_load_it_run(tmp_path, form, library, ending):
    pytest.importorskip(library, reason=f"{library} is not installed: it brings torch, gigabytes")
    written(FORMATS[form], tmp_path, [[window_of(number, ending) for number in range(3)], [window_of(4, ending)]])
    if text := input_cfg(form, str(tmp_path), 2, 3.0, {}):
        (tmp_path / "input_cfg.yaml").write_text(text, encoding="utf-8")
    code = examples(card_of(form, ShardsStats(shards=2), audio_format=ending))[0]
    seen = printed(code, tmp_path)
    assert len(seen) == 4
    assert all("16000" in line and "number" in line for line in seen)


def test_the_lines_of_all_formats_are_python():
    for form in FORMATS:
        own, ours = examples(card_of(form))
        for code in (own, ours):
            compile(code, form, "exec")
            assert len([line for line in code.splitlines() if line]) <= 6
        assert "WindowLoader" in ours


def printed(code: str, folder: Path) -> list[str]:
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout.splitlines()
