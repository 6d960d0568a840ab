"""Which fields of an entry are copied into its cuts."""

import json
from typing import Any

import pytest

from alm_beam.core.config import EntryConfig, WindowConfig
from alm_beam.core.entry_fields import ALWAYS_BYTES
from tests.core.test_cuts import ALL_OVERLAPS, AUDIO, DEFAULT, TWO, cut_lines, cuts, findings
from tests.core.test_windows import segment

TURNS = [segment(5 * n, 5 * n + 5, "ab"[n % 2], text="so the plan for today is short " * 24) for n in range(40)]
WINDOW_BYTES = len(json.dumps(TURNS)) / 20
"""Of ten seconds, the target duration."""


def custom(entry: dict[str, Any], fields: EntryConfig = DEFAULT) -> dict[str, Any]:
    found = [cut["custom"] for cut in cuts({**AUDIO, **entry}, fields=fields)]
    assert len({tuple(each) for each in found}) == 1
    return found[0]


def test_small_fields_are_in_every_cut():
    notes = {f"note{n}": "x" * 80 for n in range(10)}
    assert notes.items() <= custom({**notes, "segments": TWO}).items()
    assert findings({**AUDIO, **notes, "segments": TWO}) == {}


@pytest.mark.parametrize(
    "large",
    [
        {"alignment": [{"word": "so", "start": 0.25, "end": 0.5}] * 100},
        {"text": "so the plan " * 500},
        {"diar_segments": TURNS},
        {"embedding": [0.125] * 2000},
        {"deep": {"words": {"all": ["so"] * 2000}}},
        {f"field{n}": "x" * 900 for n in range(2)} | {"other": "y" * 4000},
    ],
)
def test_large_fields_are_in_no_cut_and_counted(large):
    largest = max(large, key=lambda name: len(json.dumps(large[name])))
    entry = {**AUDIO, "source": "ami", **large, "segments": TURNS}
    left = custom(entry)
    assert left["source"] == "ami"
    assert largest not in left
    assert findings(entry)["entries_with_large_fields"] == 1


def test_a_field_up_to_the_size_of_a_windows_segments_is_in_its_cuts():
    assert 1.5 * ALWAYS_BYTES < WINDOW_BYTES < 4000
    entry = {"segments": TURNS, "notes": "x" * int(WINDOW_BYTES * 0.9)}
    assert "notes" in custom(entry)
    assert "notes" not in custom({**entry, "notes": "x" * int(WINDOW_BYTES * 1.1)})


def test_the_smallest_fields_have_their_place_first():
    entry = {"b": "x" * 500, "a": "x" * 490, "c": "x" * 480, "segments": TWO}
    assert custom(entry).keys() & entry.keys() == {"a", "c"}


def test_fields_that_are_dropped_take_no_place():
    entry = {**AUDIO, "words": ["x" * 9999], "note": "y" * 700, "more": "z" * 400, "segments": TWO}
    fields = EntryConfig(drop_fields_top_level=frozenset({"words", "segments", "more"}))
    assert "note" in custom(entry, fields)
    assert findings(entry, fields) == {}


def test_dropped_fields_of_segments_make_windows_smaller():
    entry = {"segments": TURNS, "notes": "x" * int(WINDOW_BYTES * 0.9)}
    assert "notes" not in custom(entry, EntryConfig(drop_fields=frozenset({"text"})))


def test_words_that_are_kept_make_windows_larger():
    said = [{**turn, "words": [{"word": "so", "end": turn["end"]}] * 50} for turn in TURNS]
    entry = {"segments": said, "notes": "x" * int(WINDOW_BYTES * 2)}
    assert "notes" not in custom(entry)
    assert "notes" in custom(entry, EntryConfig(drop_fields=frozenset()))


def test_a_run_without_cuts_counts_no_large_fields():
    entry = {**AUDIO, "text": "x" * 9999, "segments": TWO}
    assert findings(entry, EntryConfig(cuts=False)) == {}
    assert findings({**entry, "segments": []}).keys() == {"short_recordings"}


def test_cuts_grow_with_the_manifest_and_not_with_its_square():
    def written(count: int) -> float:
        turns = [segment(2 * n, 2 * n + 2, "ab"[n % 2]) for n in range(count)]
        copy = {f"copy{n}": turns for n in range(4)} | {f"note{n}": ["x" * 50] * n for n in range(50)}
        entry = {**AUDIO, **copy, "segments": turns}
        lines = cut_lines(entry, windows=WindowConfig(target_window_duration=20), overlap=ALL_OVERLAPS)
        return sum(map(len, lines)) / len(json.dumps(entry))

    assert written(2000) < 1.5 * written(400)
