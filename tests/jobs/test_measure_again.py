"""A run that measures audio and was cut short: the same command does the rest, and nothing else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alm_beam.storage.outputs import MEASURE
from tests.jobs.audio import job, lines_in, manifest, many, noise, stats

REPO = Path(__file__).parents[2]


def long(folder: Path, count: int, seconds: int) -> tuple[Path, Path]:
    """The same of long recordings that are spoken from beginning to end. All are one file, by names of their own."""
    first = noise(folder / "audio" / "000.flac", seconds)
    turns = [{"start": start, "end": start + 5, "speaker": "a"} for start in range(0, seconds, 5)]
    for index in range(1, count):
        os.link(first, first.with_name(f"{index:03}.flac"))
    entries = [{"audio_filepath": f"{index:03}.flac", "segments": turns} for index in range(count)]
    return manifest(folder / "in" / "m.jsonl", *entries), first.parent


def started(*flags: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "pipelines/measure_audio.py", *map(str, flags)],
        cwd=REPO,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kept(out: Path) -> list[Path]:
    return [*out.glob(f"{MEASURE.kept}/*/*.json")]


class TestGoingOn:
    @pytest.fixture
    def cut_short(self, tmp_path) -> tuple[Path, Path, list[str]]:
        """A folder that a run left which was cut short after four of six recordings, its input and its flags."""
        source, audio = many(tmp_path, 6)
        broken = audio / "005.wav"
        data = broken.read_bytes()
        broken.write_bytes(data[:1000])
        flags = [f"--audio_root={audio}"]
        assert job(tmp_path / "out", source, flags=flags) == 1, "one of six is rejected"
        broken.write_bytes(data)
        assert len(kept(tmp_path / "out")) == 5
        kept(tmp_path / "out")[0].unlink()
        return tmp_path / "out", source, flags

    def taken_over(self, cut_short: tuple[Path, Path, list[str]], *more: str) -> int:
        out, source, flags = cut_short
        assert job(out, source, flags=[*flags, *more]) == 0
        assert not (out / MEASURE.kept).exists()
        expected = out.with_name("expected")
        assert job(expected, source, flags=[*flags, *more]) == 0
        assert lines_in(out) == lines_in(expected)
        assert stats(expected)["taken_over"] == 0
        return int(stats(out)["taken_over"])

    def test_what_was_measured_is_taken_over_and_gone_at_the_end(self, cut_short):
        assert self.taken_over(cut_short) == 4

    def test_with_overwrite_all_is_measured_anew(self, cut_short):
        assert self.taken_over(cut_short, "--overwrite") == 0

    @pytest.mark.parametrize("flag", ["--levels", "--no_bandwidth"])
    def test_with_other_flags_all_is_measured_anew(self, cut_short, flag):
        assert self.taken_over(cut_short, flag) == 0

    def test_a_file_that_has_changed_is_measured_anew(self, cut_short, tmp_path):
        for index in range(6):
            noise(tmp_path / "audio" / f"{index:03}.wav", 1, seed=50 + index)
        assert self.taken_over(cut_short) == 0

    def test_other_segments_are_measured_anew(self, cut_short):
        source = cut_short[1]
        source.write_text(source.read_text().replace('"end": 0.9', '"end": 0.8'))
        assert self.taken_over(cut_short) == 0

    @pytest.mark.parametrize(
        "damage",
        [
            pytest.param(lambda data: data[:-5], id="cut off"),
            pytest.param(lambda data: b"", id="empty"),
            pytest.param(lambda data: b"[1]", id="something else"),
            pytest.param(lambda data: data.replace(b"16000", b"26000"), id="another number"),
        ],
    )
    def test_what_is_damaged_is_measured_anew(self, cut_short, damage):
        for path in kept(cut_short[0]):
            path.write_bytes(damage(path.read_bytes()))
        assert self.taken_over(cut_short) == 0

    def test_a_run_that_is_killed_at_four_fifths_goes_on_there(self, tmp_path):
        """In one process, so that at most one more is measured when the kill comes."""
        count, seconds = 40, 120
        source, audio = long(tmp_path, count, seconds)
        flags = [f"--audio_root={audio}", "--direct_num_workers=1"]
        first = manifest(tmp_path / "first.jsonl", source.read_text().splitlines()[0])
        assert job(tmp_path / "first", first, flags=flags) == 0
        [line] = lines_in(tmp_path / "first")
        out = tmp_path / "out"
        run = started(f"--input={source}", *flags, f"--output={out}")
        while len(kept(out)) < 0.8 * count and run.poll() is None:
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, run.communicate()
        left = len(kept(out))
        assert 0.8 * count <= left < count
        assert not (out / "_SUCCESS").exists()
        run = started(f"--input={source}", *flags, f"--output={out}")
        assert run.wait() == 0, run.communicate()
        assert (stats(out)["recordings"], stats(out)["taken_over"]) == (count, left)
        assert lines_in(out) == [line.replace(b"000.flac", b"%03d.flac" % index) for index in range(count)]
        assert {path.name for path in out.iterdir()} == {
            "_SUCCESS",
            "measure_stats.json",
            *(each.name for each in out.glob("manifest-*")),
        }
