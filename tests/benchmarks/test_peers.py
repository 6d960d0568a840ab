"""The benchmark beside peers: what of it needs none of their environments."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.peers import __main__ as peers
from benchmarks.peers import environments
from benchmarks.peers.environments import PeerError, json_of
from benchmarks.peers.rows import RATE, SECONDS, Measured, Row, as_json, print_rows, row_of
from benchmarks.peers.windows import compare_entries, write_ami_manifest

ENTRIES = [
    {"audio_filepath": f"{name}.wav", "windows": [{"segments": [1.5, 2]}], "filtered_dur": 3.0} for name in "abc"
]


def _write(path: Path, entries: list[dict]) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def test_entries_are_equal_in_any_order_and_files(tmp_path: Path) -> None:
    theirs = _write(tmp_path / "theirs.jsonl", ENTRIES[::-1])
    ours = [_write(tmp_path / "0.jsonl", ENTRIES[:1]), _write(tmp_path / "1.jsonl", ENTRIES[1:])]

    assert compare_entries(theirs, ours) == 3


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ([*ENTRIES[:2], {**ENTRIES[2], "filtered_dur": 3.0000001}], "c.wav: differs .*: filtered_dur$"),
        ([*ENTRIES[:2], {**ENTRIES[2], "windows": [{"segments": [1.5, 3]}]}], "c.wav: differs .*: windows$"),
        ([*ENTRIES[:2], {**ENTRIES[2], "more": None}], "c.wav: differs .*: more$"),
        ([*ENTRIES, {**ENTRIES[0], "audio_filepath": "d.wav"}], "d.wav: is not in theirs.jsonl"),
        ([*ENTRIES, ENTRIES[0]], "a.wav: is not in theirs.jsonl, or is twice in ours"),
        (ENTRIES[1:], "a.wav: is in theirs.jsonl and not in ours, as 1 of 3 entries"),
    ],
)
def test_what_differs_is_named(tmp_path: Path, ours: list[dict], said: str) -> None:
    theirs = _write(tmp_path / "theirs.jsonl", ENTRIES)

    with pytest.raises(PeerError, match=said):
        compare_entries(theirs, [_write(tmp_path / "ours.jsonl", ours)])


def test_an_entry_that_comes_twice_from_a_peer_is_an_error(tmp_path: Path) -> None:
    theirs = _write(tmp_path / "theirs.jsonl", [*ENTRIES, ENTRIES[1]])

    with pytest.raises(PeerError, match=r"b\.wav: is twice in theirs\.jsonl"):
        compare_entries(theirs, [_write(tmp_path / "ours.jsonl", ENTRIES)])


def test_the_manifest_of_an_archive_has_what_curator_requires(archive: Path, tmp_path: Path) -> None:
    assert write_ami_manifest(archive, tmp_path / "ami.jsonl") == 2

    entries = [json.loads(line) for line in (tmp_path / "ami.jsonl").read_text().splitlines()]
    assert [entry["audio_filepath"] for entry in entries] == ["monday.wav", "tuesday.wav"]
    assert {entry["audio_sample_rate"] for entry in entries} == {16_000}
    assert [len(entry["segments"]) for entry in entries] == [180, 180]
    assert {segment["metrics"]["bandwidth"] for entry in entries for segment in entry["segments"]} == {8_000}


def test_speed_is_that_of_neighbours() -> None:
    took = row_of("five", "Curator", SECONDS, [10.0, 40.0, 30.0], [2.0, 4.0, 1.0], "equal")
    read = row_of("cuts", "Lhotse", RATE, [10.0, 40.0, 30.0], [20.0, 40.0, 90.0], "equal")

    assert took.theirs == Measured(30.0, 10.0, 40.0)
    assert took.ours == Measured(2.0, 1.0, 4.0)
    assert took.speed == Measured(10.0, 5.0, 30.0)
    assert read.speed == Measured(2.0, 1.0, 3.0)


def test_a_row_is_printed_and_written_with_all_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    row = Row("five", "Curator", SECONDS, Measured(98.2, 86, 1234.5), Measured(2, 1, 3), Measured(40, 30, 50), "equal")

    assert list(print_rows([row])) == [row]

    line = capsys.readouterr().out.splitlines()[-1]
    assert line == "| five | Curator | s | 98.2 (86 to 1,234) | 2 (1 to 3) | 40 (30 to 50) | equal |"
    assert as_json(row)["theirs"] == {"median": 98.2, "least": 86, "most": 1234.5}
    assert as_json(row)["compared"] == "equal"


def test_what_is_left_out_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environments, "REPO", tmp_path)

    peers.main([str(tmp_path / "out")])

    said = capsys.readouterr().out
    assert "The rows of AMI are left out: AMI_RTTM=PATH names" in said
    for peer in ("curator", "fairseq2", "lhotse"):
        assert f"The rows of {peer} are left out: there is no {tmp_path}/.venv-bench-{peer}" in said
    results = json.loads((tmp_path / "out" / "peers.json").read_text())
    assert results["rows"] == []
    assert results["versions"]["alm_beam"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert results["machine"]["cores"] >= 1


def test_a_peer_that_fails_is_an_error_with_what_it_said_last() -> None:
    with pytest.raises(PeerError, match=r"exit code 3: it is broken$"):
        json_of([sys.executable, "-c", "import sys; print('it is broken', file=sys.stderr); sys.exit(3)"])
