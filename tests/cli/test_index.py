"""`alm-beam index`: what it prints, and its exit codes."""

import json
import os
from pathlib import Path

import pytest

from alm_beam.cli.main import main
from alm_beam.storage.index.build import build_index
from alm_beam.storage.index.open import open_index
from tests.storage.cuts import LINES, change_meta, rewrite, shard, write_shards

HOSTILE = "a\x1b[2J\x07\r\n\x00\x9b31m\u202egnp.exe\u2028\x7f"


@pytest.fixture
def folder(tmp_path) -> Path:
    build_index(str(write_shards(tmp_path / "cuts", LINES, 3)))
    return tmp_path / "cuts"


def status(*arguments: str) -> int:
    """The exit code of the command."""
    try:
        return main(["index", *arguments])
    except SystemExit as ended:
        return int(str(ended.code))


def test_the_command(folder, capsys):
    assert status(str(folder), "--overwrite") == 0
    assert status(str(folder), "--check") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("windows                                        1,000 ")
    assert f"sound: {folder}, fingerprint {open_index(str(folder)).fingerprint}" in printed
    assert "repeated" not in printed
    assert "left out" not in printed
    rewrite(shard(folder), lambda b: b.replace(b"\xc3\xa9\xc3\xa9", b"\xc3\xa9\xc3\xa8", 1))
    assert status(str(folder), "--check") == 1
    assert "cuts-00001-of-00003.jsonl: its lines are not those" in capsys.readouterr().err


def test_an_index_that_is_there_is_refused_and_nothing_is_changed(folder, capsys):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert status(str(folder)) == 2
    assert "index.json: there is an index; give --overwrite to make it again" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_check_makes_no_index(folder, capsys):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert status(str(folder), "--check", "--overwrite") == 2
    assert "so --overwrite means nothing beside it" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_windows_that_come_twice_are_told(tmp_path, capsys):
    folder = write_shards(tmp_path, [*LINES, *LINES[:7]], 2)
    assert status(str(folder)) == 0
    assert status(str(folder), "--check") == 0
    assert capsys.readouterr().out.count("7 repeated windows") == 2


def test_what_cannot_be_indexed_is_told_and_left_out(tmp_path, capsys):
    folder = write_shards(tmp_path, [*LINES[:3], b'{"id": "m", "tracks": [], "type": "MixedCut"}', b""], 1)
    assert status(str(folder)) == 1
    told = capsys.readouterr().err
    assert "2 lines (1 MixedCut, 1 blank) cannot be indexed" in told
    assert "cuts-00000-of-00001.jsonl: line 4 (byte " in told
    assert "--skip_unusable" in told
    assert status(str(folder), "--skip_unusable") == 0
    assert status(str(folder), "--check") == 0
    told = capsys.readouterr().out
    assert told.count("left out 2 lines (1 MixedCut, 1 blank):") == told.count("line 4 (byte ") == 2
    assert "windows                                            3 " in told


def test_no_text_of_others_reaches_the_terminal_raw(tmp_path, capsys):
    """Labels, names of shards and folders, and what a broken index.json holds; in tables and in errors."""
    name = HOSTILE.replace("\x00", "")
    folder = tmp_path / name
    cut = {"duration": 1, "custom": {"source": HOSTILE}}
    write_shards(folder, [json.dumps(cut).encode(), *LINES[:5]], 1)
    shard(folder, 0).rename(folder / f"cuts-{name}.jsonl")
    told = ""
    for spoil in (
        lambda: None,
        lambda: change_meta(folder, version="\x1b[31m"),
        lambda: change_meta(folder, requires=["\x1b[31m"]),
        lambda: change_meta(folder, shards=[{"name": HOSTILE, "size": 1, "rows": 6, "digest": "0" * 32}]),
        lambda: change_meta(folder, labels=[{"label": HOSTILE, "first": 1, "rows": 6, "duration": 1}]),
        lambda: (folder / "index/index.json").write_bytes(b'{"version": 2, "\x1b[31m": "\x1b"}'),
        lambda: (folder / "index/index.json").write_bytes(b'{"version": 2, "\\u001b[31m\\u202e": 1}'),
        lambda: (folder / "index/rows.bin").write_bytes(b""),
        lambda: (folder / "cuts-\x1b.jsonl").write_bytes(b""),
        lambda: (folder / "cuts-\x1b.jsonl").write_bytes(b'{"duration": "\x1b"}\n{"\xff\n'),
        lambda: (folder / "cuts-\x1b.jsonl").rename(folder / "cuts-\x1b.jsonl.gz"),
        lambda: (folder / "cuts-\x1b.jsonl.gz").rename(folder / os.fsdecode(b"cuts-\xff.jsonl")),
    ):
        assert status(str(folder), "--overwrite") in (0, 1)
        spoil()
        for flags in (["--check"], [], ["--overwrite"]):
            status(str(folder), *flags)
            printed = capsys.readouterr()
            told += printed.out + printed.err
    assert "\\x1b[2J" in told
    assert "\\u202e" in told
    assert {char for char in told if not char.isprintable()} == {"\n"}
    assert not any(line.startswith(("gnp", "\\x9b")) for line in told.splitlines())


def test_hours_by_corpus_and_language_are_printed_where_there_are_several(tmp_path, capsys):
    def line(number: int, corpus: str, language: str) -> bytes:
        return json.dumps(
            {"id": str(number), "duration": 3600.0, "custom": {"corpus": corpus, "lang": language}}
        ).encode()

    one = write_shards(tmp_path / "one", [line(0, "ami", "en"), line(1, "ami", "en")], 1)
    assert status(str(one)) == 0
    assert "language" not in capsys.readouterr().out
    lines = [line(0, "ami\x1b", "en"), line(1, "ami\x1b", ""), line(2, "", "de"), line(3, "", "de")]
    assert status(str(write_shards(tmp_path / "two", lines, 1))) == 0
    printed = capsys.readouterr().out.splitlines()
    at = printed.index("by corpus and language")
    assert [each.split() for each in printed[at + 1 : at + 4]] == [
        ["(no", "corpus)", "de", "2", "2.00", "h"],
        [r"ami\x1b", "(no", "language)", "1", "1.00", "h"],
        [r"ami\x1b", "en", "1", "1.00", "h"],
    ]
