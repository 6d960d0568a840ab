import json
from pathlib import Path

import fsspec
import pytest

import alm_beam
from alm_beam.cli.main import main
from alm_beam.core.manifest import ManifestLine, parse_recording
from alm_beam.sample import sample_entries, write_sample

SHIPPED = Path(alm_beam.__file__).parent / "sample_data" / "conversations.jsonl"


def test_the_shipped_sample_is_what_the_command_makes(tmp_path, capsys):
    assert main(["sample", str(tmp_path / "m.jsonl")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'm.jsonl'}\n"
    assert (tmp_path / "m.jsonl").read_bytes() == SHIPPED.read_bytes()


def test_the_shipped_sample_shows_what_it_should():
    entries = [json.loads(line) for line in SHIPPED.read_text(encoding="utf-8").splitlines()]
    assert len({entry["audio_sample_rate"] for entry in entries}) == len(entries) == 5
    for entry in entries:
        assert len(entry["segments"]) >= 30
        assert 2 <= len({segment["speaker"] for segment in entry["segments"]}) <= 4


def test_hostile_entries_are_all_usable():
    for number, entry in enumerate(sample_entries(recordings=300, seed=2, hostile=True)):
        parse_recording(ManifestLine("m", number, json.dumps(entry).encode()))


def test_the_same_seed_gives_the_same_entries_and_another_gives_others():
    def made(seed: int, count: int) -> list:
        return list(sample_entries(recordings=count, seed=seed, hostile=True))

    assert made(1, 5) == made(1, 9)[:5]
    assert made(1, 5) != made(2, 5)


@pytest.mark.parametrize("name", ["m.json", "m.jsonl.gz", "sub/m.jsonl.zst", "M.JSONL.bz2"])
def test_the_name_decides_on_compression(tmp_path, name):
    assert main(["sample", str(tmp_path / name), "--recordings=3"]) == 0
    with fsspec.open(tmp_path / name, compression="infer") as file:
        assert len(file.read().splitlines()) == 3


def test_a_folder_gets_several_manifests(tmp_path, monkeypatch):
    monkeypatch.setattr("alm_beam.sample.RECORDINGS_PER_MANIFEST", 4)
    assert main(["sample", str(tmp_path / "in"), "--recordings=10", "--seed=1"]) == 0
    written = [path.read_bytes().splitlines() for path in sorted((tmp_path / "in").iterdir())]
    assert [len(lines) for lines in written] == [4, 4, 2]
    assert [json.loads(line) for lines in written for line in lines] == list(sample_entries(recordings=10, seed=1))


def test_a_manifest_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def failing(*_: object) -> None:
        assert [*tmp_path.iterdir()]
        raise KeyboardInterrupt

    monkeypatch.setattr("alm_beam.sample._entry", failing)
    with pytest.raises(KeyboardInterrupt):
        write_sample(str(tmp_path / "m.jsonl.gz"), recordings=1, seed=0)
    assert not [*tmp_path.iterdir()]


def test_nothing_of_an_earlier_call_is_left_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("alm_beam.sample.RECORDINGS_PER_MANIFEST", 2)
    assert main(["sample", str(tmp_path), "--recordings=5"]) == 0
    assert main(["sample", str(tmp_path), "--recordings=2"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["sample-00000.jsonl"]


def test_a_call_that_is_cut_short_leaves_no_manifest(tmp_path, monkeypatch):
    monkeypatch.setattr("alm_beam.sample._entry", lambda rng, number: 1 / (number - 3))
    with pytest.raises(ZeroDivisionError):
        main(["sample", str(tmp_path / "m.jsonl"), "--recordings=5"])
    assert not (tmp_path / "m.jsonl").exists()


def test_a_mistyped_flag_is_refused_with_the_nearest(capsys):
    with pytest.raises(SystemExit):
        main(["sample", "x.jsonl", "--recording=2"])
    assert "did you mean --recordings?" in capsys.readouterr().err


def test_what_cannot_be_written_is_said(tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"")
    assert main(["sample", str(tmp_path / "file" / "m.jsonl")]) == 1
    assert "cannot write" in capsys.readouterr().err


def test_a_negative_count_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["sample", "x.jsonl", "--recordings=-1"])
    assert "0 or more" in capsys.readouterr().err
