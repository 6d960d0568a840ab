"""Corpus and language of each window, as the index holds them."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xxhash import xxh3_128_hexdigest

from alm_beam.core.cut_labels import CutLabels
from alm_beam.core.shards_config import LayoutConfig, ShardsConfig
from alm_beam.loader import WindowLoader
from alm_beam.storage.cut_columns import CutColumns
from alm_beam.storage.index import merge, scan
from alm_beam.storage.index import rows as index_rows
from alm_beam.storage.index.build import build_index
from alm_beam.storage.index.format import IndexFault
from alm_beam.storage.index.open import Index, open_index
from alm_beam.storage.index.verify import verify_index
from tests.storage.cuts import change_meta, read_lines, without_label_sets, write_shards

CORPORA = ["ami", "é", None, 7, ["a list"], ""]
LANGUAGES = ["en", None, "de", {"no": "text"}, ""]


def labelled(number: int, *, corpus: Any = None, spoken: Any = (), custom: Any = ()) -> bytes:
    fields = {"n": number, "source": f"s{number % 2}", **dict(custom)}
    if corpus is not None:
        fields["corpus"] = corpus
    supervisions = [{"id": f"{number}-{at}", "language": each} for at, each in enumerate(spoken)]
    cut = {"id": str(number), "duration": 1 + number / 7, "supervisions": supervisions, "custom": fields}
    return json.dumps(cut).encode()


def mixed(count: int) -> list[bytes]:
    """Lines of all corpora and languages, stated in all of the places."""
    return [
        labelled(
            number,
            corpus=CORPORA[number % len(CORPORA)],
            spoken=[LANGUAGES[number % 5], LANGUAGES[number // 5 % 5]][: number // 25 % 3],
            custom={("language", "lang")[number % 2]: LANGUAGES[number // 7 % 5]},
        )
        for number in range(count)
    ]


def sets_of_rows(index: Index) -> list[tuple[str, str]]:
    assert index.label_sets is not None
    return [(index.label_sets[at].corpus, index.label_sets[at].language) for at in index.rows["label_set"].tolist()]


@pytest.mark.parametrize("run_rows", [1 << 20, 10])
@pytest.mark.parametrize("shards", [1, 7])
def test_each_row_has_the_corpus_and_language_of_its_line(tmp_path, monkeypatch, run_rows, shards):
    """Also where each shard has many runs, which number the sets on their own, and runs are merged in groups."""
    for module in (index_rows, merge):
        monkeypatch.setattr(module, "RUN_ROWS", run_rows)
    monkeypatch.setattr(merge, "_MOST_RUNS", 4)
    monkeypatch.setattr(scan, "_READ_BYTES", 700)  # a few lines at a time: some of these are read all at once
    folder = write_shards(tmp_path, mixed(400), shards)
    meta = build_index(str(folder))
    index = open_index(str(folder))
    cuts = [json.loads(line) for line in read_lines(index, folder)]
    expected = [(labels.corpus, labels.language) for labels in map(CutLabels.of, cuts)]
    assert sets_of_rows(index) == expected
    assert meta.label_sets == index.label_sets
    assert [(each.corpus, each.language) for each in index.label_sets or ()] == sorted(set(expected))
    assert {("ami", "en"), ("é", "de"), ("s0", ""), ("s1", "en")} <= set(expected)
    for each in index.label_sets or ():
        here = [cut["duration"] for cut, names in zip(cuts, expected) if names == (each.corpus, each.language)]
        assert (each.rows, each.duration) == (len(here), pytest.approx(sum(here), abs=1e-6))
    assert verify_index(index).total == 0


def test_blocks_make_no_difference(tmp_path, monkeypatch):
    metas = []
    for name, run_rows in (("one", 1 << 20), ("many", 7)):
        for module in (index_rows, merge):
            monkeypatch.setattr(module, "RUN_ROWS", run_rows)
        metas.append(build_index(str(write_shards(tmp_path / name, mixed(300), 3))))
    assert metas[0] == metas[1]


def test_rows_of_sets_are_those_with_their_numbers(tmp_path):
    folder = write_shards(tmp_path, mixed(400), 3)
    build_index(str(folder))
    index = open_index(str(folder))
    which, count = index.rows["label_set"], len(index.label_sets or ())
    for numbers in ([0], [count - 1], [1, 4], list(range(count)), []):
        assert index.rows_of_sets(numbers).tolist() == np.flatnonzero(np.isin(which, numbers)).tolist()


@pytest.mark.parametrize("bad", [b'{"id": "x", "custom": {"corpus": "lost"}}', None])
def test_a_label_of_a_line_that_is_left_out_is_in_no_list(tmp_path, bad):
    """Also where it is found to be no JSON only when the lines are read one by one, as another has a list as corpus."""
    lost = labelled(0, corpus="lost", custom={"source": "lost", "x": "@"}).replace(b'"@"', b"1e999")
    lines = [bad or lost, labelled(1, corpus="kept"), labelled(2, corpus=["list"])]
    meta = build_index(str(write_shards(tmp_path, lines, 1)), skip_unusable=True)
    assert meta.skipped == 1
    assert Counter((each.corpus, each.rows) for each in meta.label_sets or ()) == {("kept", 1): 1, ("s0", 1): 1}
    assert [label.label for label in meta.labels] == ["s0", "s1"]


def test_verify_finds_sets_that_the_shards_do_not_give(tmp_path):
    folder = write_shards(tmp_path, [labelled(number, corpus=f"c{number % 2}") for number in range(40)], 1)
    build_index(str(folder))
    path = folder / "index" / "index.json"
    sets = json.loads(path.read_text())["label_sets"]
    change_meta(folder, label_sets=[{**sets[0], "corpus": "another"}, sets[1]])
    with pytest.raises(IndexFault, match=r"index\.json: is not what the shards give"):
        verify_index(open_index(str(folder)))


def test_an_index_without_the_list_is_read_checked_and_made_again(tmp_path):
    """As version 3 was before; its order, fingerprint and saved states stay."""
    folder = write_shards(tmp_path / "cuts", mixed(60), 2)
    build_index(str(folder))
    with_list = open_index(str(folder))
    rows = np.array(with_list.rows)
    rows["label_set"] = 0
    (folder / "index" / "rows.bin").write_bytes(rows.tobytes())
    without_label_sets(folder, rows_digest=xxh3_128_hexdigest(rows.tobytes()))
    index = open_index(str(folder))
    assert index.label_sets is None
    assert index.fingerprint == with_list.fingerprint
    assert verify_index(index).total == 0
    loader = WindowLoader(str(folder), seed=2)
    ids = [window["id"] for window in loader]
    copied = Path(shutil.copytree(folder, tmp_path / "again"))
    build_index(str(copied), overwrite=True)
    again = WindowLoader(str(copied), seed=2)
    again.load_state_dict(WindowLoader(str(folder), seed=2).state_dict())
    assert [window["id"] for window in again] == ids


def test_corpora_and_languages_are_the_partitions_of_parquet():
    columns = CutColumns(ShardsConfig(("in",), "out", layout=LayoutConfig(format="parquet")))
    lines = mixed(400)
    for line in lines:
        columns.add(0, 0, len(line), b"0" * 16, line)
    places = columns.table()["partition"].tolist()
    partitions = [columns.partitions[place] for place in places]
    labels = [CutLabels.of(json.loads(line)) for line in lines]
    expected = [(each.corpus or "unknown", "train", each.language or "unknown") for each in labels]
    assert partitions == expected
