"""Conversions of cuts: what others read of the windows of a run."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from alm_beam.cli.windows import main as windows
from alm_beam.sample import write_sample
from tests.jobs.test_convert import convert, lines_of, written


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_sample(str(folder / "in.jsonl"), recordings=6, seed=3)
    flags = ("--target_window_duration=30", "--overlap_percentage=100", "--candidates=all")
    assert windows([f"--input={folder / 'in.jsonl'}", f"--output={folder / 'windows'}", *flags]) == 0
    return folder


def cuts_of(made: Path) -> list[dict]:
    return lines_of(made / "windows", "cuts")


class TestReverse:
    def test_each_supervision_is_one_line(self, tmp_path, made):
        stats = convert(made / "windows", tmp_path / "out", to_format="rttm")
        expected: dict[str, list[float]] = {}
        for cut in cuts_of(made):
            for each in cut["supervisions"]:
                start = round(cut["start"] + each["start"], 8)
                end = round(start + each["duration"], 8)
                known = expected.setdefault(each["id"], [start, end])
                expected[each["id"]] = [min(known[0], start), max(known[1], end)]
        rows = [line.split() for line in (tmp_path / "out" / "rttm-00000-of-00001.rttm").read_text().splitlines()]
        assert len(rows) == len(expected) == stats.segments
        assert sum(len(cut["supervisions"]) for cut in cuts_of(made)) > 1.2 * len(rows)  # so windows do overlap
        found = sorted((float(row[3]), float(row[3]) + float(row[4])) for row in rows)
        for span, (start, end) in zip(found, sorted(expected.values())):
            assert span == pytest.approx((start, end), abs=1e-6)
        assert rows == sorted(rows, key=lambda row: (row[1], float(row[3])))

    def test_what_is_written_is_read(self, tmp_path, made):
        convert(made / "windows", tmp_path / "rttm", to_format="rttm")
        stats = convert(tmp_path / "rttm", tmp_path / "out")
        assert stats.recordings == len({cut["recording"]["id"] for cut in cuts_of(made)})
        ids = {each["id"] for cut in cuts_of(made) for each in cut["supervisions"]}
        assert stats.segments == len(ids)
        assert stats.rejected.total() == 0

    def test_a_line_of_nemo_for_each_cut(self, tmp_path, made):
        convert(made / "windows", tmp_path / "out", to_format="nemo")
        found = lines_of(tmp_path / "out")
        expected = {(cut["recording"]["sources"][0]["source"], cut["start"], cut["duration"]) for cut in cuts_of(made)}
        assert {(each["audio_filepath"], each["offset"], each["duration"]) for each in found} == expected
        assert not any("sampling_rate" in each for each in found)  # with it, NeMo takes duration for the whole file's
        assert all(" ".join(each["text"].split()) for each in found)

    def test_parts_of_a_supervision_are_one_line_where_they_touch(self, tmp_path):
        spans = {"s": [(0, 5), (1, 1), (5, 2), (9, 1)], "other": [(4, 2)]}
        heard = [
            {"id": name, "start": start, "duration": duration, "speaker": "a"}
            for name, several in spans.items()
            for start, duration in several
        ]
        cut = {"type": "MonoCut", "start": 0.25, "duration": 10, "recording": {"id": "x"}, "supervisions": heard}
        convert(written(tmp_path / "cuts.jsonl", json.dumps(cut)), tmp_path / "out", to_format="rttm")
        rows = [line.split() for line in (tmp_path / "out" / "rttm-00000-of-00001.rttm").read_text().splitlines()]
        assert [row[3:5] for row in rows] == [["0.250", "7.000"], ["4.250", "2.000"], ["9.250", "1.000"]]

    def test_who_speaks_together_has_a_line_each(self, tmp_path):
        both = {"id": "s", "start": 1, "duration": 2, "speaker": "a,b", "custom": {"speakers": ["a", "b"]}}
        cut = {"type": "MonoCut", "start": 5, "duration": 4, "recording": {"id": "x"}, "supervisions": [both]}
        path = written(tmp_path / "cuts.jsonl", json.dumps(cut))
        convert(path, tmp_path / "out", to_format="rttm")
        assert (tmp_path / "out" / "rttm-00000-of-00001.rttm").read_text().splitlines() == [
            "SPEAKER x 1 6.000 2.000 <NA> <NA> a <NA> <NA>",
            "SPEAKER x 1 6.000 2.000 <NA> <NA> b <NA> <NA>",
        ]

    def test_cuts_that_cannot_be_used_are_rejected(self, tmp_path):
        heard = [{"id": "s", "start": 0, "duration": 1, "speaker": "a b"}]
        cuts: Iterable[Any] = (
            {"type": "MonoCut", "start": 0, "duration": 1, "recording": {"id": "x"}, "supervisions": heard},
            {"type": "MixedCut", "tracks": []},
            {"type": "MonoCut", "start": 0, "duration": 1, "supervisions": heard},
            {"type": "MonoCut", "duration": 1, "recording": {"id": "x"}, "supervisions": heard},
            ["no cut"],
        )
        path = written(tmp_path / "cuts.jsonl", "".join(f"{json.dumps(cut)}\n" for cut in cuts))
        stats = convert(path, tmp_path / "out", to_format="rttm", max_reject_fraction=1)
        assert stats.rejected == {"recording_missing": 2, "time_missing": 1, "not_object": 1}
        assert (tmp_path / "out" / "rttm-00000-of-00001.rttm").read_text().split()[7] == "a%20b"
        stats = convert(path, tmp_path / "out", to_format="nemo", max_reject_fraction=1, overwrite=True)
        assert stats.rejected == {"recording_missing": 2, "time_missing": 1, "not_object": 1, "audio_missing": 1}
        assert not list((tmp_path / "out").glob("rttm-*"))
