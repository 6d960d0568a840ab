"""`alm-beam check-loader` finds audio that is missing, damaged, or of another length than its window."""

import json
import os
import shutil
from pathlib import Path

import pytest
from xxhash import xxh3_128_hexdigest

from alm_beam.cli.main import main
from alm_beam.loader.check_findings import Check
from alm_beam.storage.index.build import build_index
from tests.loader.sounding import RATE, encoded, noise, plain_cut, write_plain, write_shards


def check(capsys, *arguments: str) -> tuple[int, list[str]]:
    """Exit code, and what was found of audio: the line of the check and its examples."""
    code = main(["check-loader", *arguments, "--world_size=1", "--num_workers=0"])
    lines = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(lines) if Check.AUDIO.value in line)
    found = [lines[at]]
    for line in lines[at + 1 :]:
        if not line.startswith(" "):
            break
        found.append(line.strip())
    return code, found


def test_nothing_is_wrong_with_shards(shards, capsys):
    code, [line] = check(capsys, shards)
    assert code == 0
    assert line.startswith("ok ")
    assert line.endswith("windows of source 0: 12 of 12")


def test_limit_bounds_what_is_read(shards, capsys):
    _, [line] = check(capsys, shards, "--limit=5")
    assert line.endswith("windows of source 0: 5 of 12")


def test_each_window_without_its_audio_is_named(shards, tmp_path, capsys):
    """One byte of a window is another, and a tar ends within its last window but one."""
    folder = Path(shutil.copytree(shards, tmp_path / "shards"))
    first, second = sorted(folder.glob("shar/*.tar"))
    members = {}
    for path in folder.glob("cuts-*.jsonl"):
        for line in path.read_text().splitlines():
            cut = json.loads(line)
            members[cut["id"]] = cut["custom"]["audio_member"]
    data = bytearray(first.read_bytes())
    data[members["window-4"]["offset"] + 5000] ^= 1
    first.write_bytes(data)
    os.truncate(second, members["window-9"]["offset"] + 100)
    code, [line, *examples] = check(capsys, str(folder))
    assert code == 1
    assert line.startswith("FAILED ")
    assert line.endswith("12 of 12; faults: 3")
    for name, what in (("4", "another digest"), ("9", "cut off"), ("11", "cut off")):
        assert [each for each in examples if f"window 'window-{name}'" in each and what in each and ".tar" in each]
    assert all(each.startswith("source 0 row ") for each in examples)


def test_audio_of_another_length_is_named(tmp_path, capsys):
    """The audio that a window's line names is another, whole one."""
    folder = Path(write_shards(tmp_path / "shards", 3, 1))
    data = encoded(noise(1, RATE))
    (folder / "shar" / "recording.000000.tar").write_bytes(data)
    path = folder / "cuts-00000-of-00001.jsonl"
    cuts = [json.loads(line) for line in path.read_text().splitlines()]
    for cut in cuts:
        cut["custom"]["audio_member"] |= {"offset": 0, "bytes": len(data), "digest": xxh3_128_hexdigest(data)}
    cuts[1]["duration"] = 1.0
    cuts[2]["duration"] = 0.99998
    path.write_text("".join(json.dumps(cut) + "\n" for cut in cuts))
    build_index(str(folder), overwrite=True)
    code, [line, *examples] = check(capsys, str(folder))
    assert code == 1
    assert line.endswith("3 of 3; faults: 1")
    assert "shar/recording.000000.tar: the audio of window 'window-0' has 16000 samples at 16000 Hz" in examples[0]
    assert "its 0.5 s have 8000" in examples[0]


@pytest.fixture
def plain(tmp_path) -> str:
    (tmp_path / "a.wav").write_bytes(encoded(noise(1, 2 * RATE), ending="wav"))
    sources = [("a.wav", [0])]
    cuts = [plain_cut("one", 0.0, 1.0, sources), plain_cut("two", 1.0, 1.0, sources)]
    return write_plain(tmp_path / "cuts", *cuts)


def test_the_audio_of_plain_cuts_is_read_on_demand(plain, tmp_path, capsys):
    _, [line] = check(capsys, plain, "--text_field=")
    assert line.startswith("- ")
    assert "cuts of no shards; --audio reads their recordings" in line
    code, [line] = check(capsys, plain, "--text_field=", "--audio", f"--audio_root={tmp_path}")
    assert (code, line.startswith("ok ")) == (0, True)
    assert line.endswith("2 of 2")
    code, [_, *examples] = check(capsys, plain, "--text_field=", "--audio")
    assert code == 1
    assert "window 'one': " in "".join(examples)
    assert "a.wav does not exist; check the path" in examples[0]
