"""Cuts that no audio can be sliced of: each is a reject that names it, and harms no other."""

from pathlib import Path

import pytest

from tests.jobs.cuts import cut, job, noise, recording, rejects, shar_audio, write


@pytest.fixture
def good(tmp_path) -> dict:
    return recording(noise(tmp_path / "good.wav", 3), 3)


def rejected(tmp_path: Path, *bad: object, flags: tuple[str, ...] = ()) -> list[dict]:
    """The rejects of a run with these cuts and two that are sound, which have to come through."""
    of = recording(tmp_path / "good.wav", 3)
    source = write(tmp_path / "cuts.jsonl", [cut("first", of, 0, 1), *bad, cut("last", of, 2, 1)])
    assert job(tmp_path / "out", source, flags=["--max_reject_fraction=1", *flags]) == 0
    if not flags:
        assert sorted(shar_audio(tmp_path / "out")) == ["first", "last"]
    return rejects(tmp_path / "out")


@pytest.mark.parametrize("field", ["start", "duration"])
@pytest.mark.parametrize("seconds", [1e30, 10**40, 1e300])
def test_a_time_of_which_no_samples_can_be_counted(tmp_path, good, field, seconds):
    [reject] = rejected(tmp_path, cut("late", good, 1, 1) | {field: seconds})
    assert reject["reason"] == "not_a_cut"
    assert reject["detail"].startswith("cut late: start ")
    assert "more than 1,000,000,000 s; times are in seconds" in reject["detail"]


def test_a_channel_that_two_sources_have(tmp_path, good):
    twice = good | {"sources": good["sources"] * 2}
    [reject] = rejected(tmp_path, cut("twice", twice, 0, 1))
    assert reject["detail"] == "cut twice: channel 0 is in more than one of recording.sources"


def test_what_is_wrong_is_told_with_the_cut(tmp_path, good):
    changed = good | {"transforms": [{"name": "Speed", "kwargs": {"factor": 1.1}}]}
    mixed = cut("mixed", good, 0, 1, transforms=[{"name": "Reverb"}])
    told = cut("told", good, 0, 1, supervisions="a text")
    of_changed, of_mixed, of_told = rejected(tmp_path, cut("changed", changed, 0, 1), mixed, told)
    assert of_changed["detail"].startswith("cut changed: recording.transforms: ")
    assert of_mixed["detail"].startswith("cut mixed: transforms: ")
    assert of_told["detail"] == 'cut told: supervisions: expected a list, found string "a text"'


@pytest.mark.parametrize("layout", ["shar", "nemo", "webdataset", "parquet"])
def test_what_is_too_deep_to_be_written(tmp_path, good, layout):
    deep = cut("deep", good, 0, 1)
    inside = deep["custom"]
    for _ in range(251):
        inside["more"] = {}
        inside = inside["more"]
    flags = (f"--format={layout}",) if layout != "shar" else ()
    [reject] = rejected(tmp_path, deep, flags=flags)
    assert reject["reason"] == "too_deep"
    assert reject["detail"].startswith("cut deep: ")


@pytest.mark.parametrize("path", ["a\0b.wav", "../a\0b.wav"])
def test_a_path_that_no_file_can_have(tmp_path, good, path):
    source = {"type": "file", "channels": [0], "source": path}
    [reject] = rejected(tmp_path, cut("odd", good | {"sources": [source]}, 0, 1))
    assert reject["reason"] == "audio_missing"
    assert "a\\x00b.wav does not exist" in reject["detail"]


def test_a_file_that_two_sources_name(tmp_path, good):
    path = str(tmp_path / "good.wav")
    sources = [{"type": "file", "channels": [number], "source": path} for number in (0, 1)]
    both = cut("both", good | {"sources": sources}, 0.5, 1, type="MultiCut", channel=[0, 1])
    [reject] = rejected(tmp_path, both)
    assert reject["reason"] == "not_a_cut"
    assert "recording.sources: two of them name the same file" in reject["detail"]
