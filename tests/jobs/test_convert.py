"""Conversions from end to end: what is written, what is rejected, and what is left when something goes wrong."""

import gzip
import json
import lzma
import os
import resource
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from alm_beam.cli.windows import main as windows
from alm_beam.core.convert_config import ConvertConfig
from alm_beam.core.convert_stats import ConvertStats
from alm_beam.core.errors import RejectLimitError, RunError
from alm_beam.core.parameters import ConfigError
from alm_beam.jobs.convert import run
from alm_beam.storage.discovery import InputError
from alm_beam.storage.lines import ManifestReadError

FETCHED = Path(__file__).parents[3] / "shared" / "inputs" / "fetched"
AMI, CURATOR = FETCHED / "ami_rttm.tar.xz", FETCHED / "tagging_base.jsonl"


def convert(inputs: Path | str | list[str], output: Path | str, **more: Any) -> ConvertStats:
    given = [str(inputs)] if isinstance(inputs, Path | str) else inputs
    return run(ConvertConfig.of({"input": given, "output": str(output), **more}))


def turn(recording: str, start: float, duration: float = 1, speaker: str = "ann") -> str:
    return f"SPEAKER {recording} 1 {start} {duration} <NA> <NA> {speaker} <NA> <NA>\n"


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines_of(output: Path, name: str = "manifest") -> list[dict]:
    paths = sorted(output.glob(f"{name}-*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def names(output: Path) -> set[str]:
    return {path.name for path in output.iterdir()}


COMPLETE = {"_SUCCESS", "convert_stats.json", "manifest-00000-of-00001.jsonl"}


class TestGathering:
    def test_lines_that_stand_apart_come_together_by_name(self, tmp_path):
        written(tmp_path / "in" / "a.rttm", turn("zoe", 5) + turn("abe", 1) + turn("zoe", 1))
        written(tmp_path / "in" / "sub" / "b.rttm.gz", gzip.compress((turn("abe", 0) + turn("zoe", 3)).encode()))
        written(tmp_path / "in" / "notes.txt", "no RTTM")
        stats = convert(tmp_path / "in", tmp_path / "out")
        found = [
            (each["audio_item_id"], [turn["start"] for turn in each["segments"]]) for each in lines_of(tmp_path / "out")
        ]
        assert found == [("abe", [0.0, 1.0]), ("zoe", [1.0, 3.0, 5.0])]
        assert names(tmp_path / "out") == COMPLETE
        assert (stats.recordings, stats.segments, stats.speakers, stats.seconds) == (2, 5, 2, 5.0)

    def test_what_does_not_fit_in_memory_gives_the_same(self, tmp_path, monkeypatch):
        text = "".join(turn(f"r{number % 7}", number % 100, 1, f"s{number % 3}") for number in range(3000))
        written(tmp_path / "in.rttm", text)
        convert(tmp_path / "in.rttm", tmp_path / "held")
        monkeypatch.setattr("alm_beam.storage.gathered.Gathered.__init__.__defaults__", (4000, 3))
        convert(tmp_path / "in.rttm", tmp_path / "gathered")
        assert lines_of(tmp_path / "held") == lines_of(tmp_path / "gathered")
        assert len(lines_of(tmp_path / "held")) == 7

    def test_a_file_that_is_named_twice_is_read_once(self, tmp_path):
        path = written(tmp_path / "a.rttm", turn("a", 1))
        assert convert([str(path), str(tmp_path / "*.rttm")], tmp_path / "out").noted["repeated_segments"] == 0

    def test_a_pipe_is_an_input(self, tmp_path):
        process = started("--from=rttm", "--input=/dev/stdin", f"--output={tmp_path / 'out'}", stdin=subprocess.PIPE)
        _, err = process.communicate(turn("a", 1))
        assert (process.returncode, err) == (0, "")
        assert len(lines_of(tmp_path / "out")) == 1

    def test_equal_lines_of_several_files_count_once(self, tmp_path):
        written(tmp_path / "in" / "all.rttm", turn("a", 1) + turn("b", 1))
        written(tmp_path / "in" / "a.rttm", turn("a", 1))
        stats = convert(tmp_path / "in", tmp_path / "out")
        assert (stats.segments, stats.noted["repeated_segments"]) == (2, 1)

    def test_other_encodings_of_text(self, tmp_path):
        written(tmp_path / "in" / "bom.rttm", b"\xef\xbb\xbf" + turn("a", 1).replace("\n", "\r\n").encode())
        written(tmp_path / "in" / "wide.rttm", turn("b", 1).encode("utf-16"))
        stats = convert(tmp_path / "in", tmp_path / "out", max_reject_fraction=1)
        assert [each["audio_item_id"] for each in lines_of(tmp_path / "out")] == ["a"]
        assert stats.rejected == {"not_a_manifest": 1}
        assert "iconv -f UTF-16" in lines_of(tmp_path / "out", "rejects")[0]["detail"]


class TestFormat:
    def test_ctm_beside_rttm_is_told_by_the_names(self, tmp_path):
        written(tmp_path / "in" / "a.rttm", turn("a", 1) + turn("b", 1))
        written(tmp_path / "in" / "a.ctm", "a 1 1.2 0.2 good\na 1 1.5 0.2 day\nb 1 8 1 lost\n")
        stats = convert(tmp_path / "in", tmp_path / "out")
        assert lines_of(tmp_path / "out")[0]["segments"][0]["text"] == "good day"
        assert (stats.words, stats.noted["words_without_segment"]) == (2, 1)
        assert json.loads((tmp_path / "out" / "convert_stats.json").read_text())["parameters"]["from"] == "ctm+rttm"

    @pytest.mark.parametrize("name", ["a.json", "a.ctm", "a"])
    def test_other_names_do_not_tell(self, tmp_path, name):
        path = written(tmp_path / "in" / name, turn("a", 1))
        for each in (path, path.parent):
            with pytest.raises(InputError, match=r"--from=rttm\|ctm\+rttm\|whisperx"):
                convert(each, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_file_may_have_any_name(self, tmp_path):
        assert convert(written(tmp_path / "a.txt", turn("a", 1)), tmp_path / "out", from_format="rttm").segments == 1

    @pytest.mark.parametrize(
        ("more", "why"),
        [
            ({"from_format": "rtm"}, "from=rtm: must be rttm, "),
            ({"to_format": "ctm"}, "to=ctm: must be rttm, nemo"),
            ({"to_format": "rttm", "from_format": "nemo"}, "means nothing beside --to"),
            ({"audio_root": "/nosuch"}, "audio_root=/nosuch: cannot be listed"),
            ({"audio_root": "/a*b"}, "without any of"),
        ],
    )
    def test_parameters_that_do_not_fit(self, tmp_path, more, why):
        path = written(tmp_path / "a.rttm", turn("a", 1))
        with pytest.raises(ConfigError) as raised:
            convert(path, tmp_path / "out", **more)
        assert why in str(raised.value)
        assert not (tmp_path / "out").exists()


class TestRejects:
    def test_a_bad_line_is_rejected_alone(self, tmp_path):
        text = turn("a", 1) + "SPEAKER a 1 x 1 <NA> <NA> ann <NA>\n" + turn("a", 3)
        path = written(tmp_path / "a.rttm", text)
        stats = convert(path, tmp_path / "out", max_reject_fraction=0.5)
        assert [each["start"] for each in lines_of(tmp_path / "out")[0]["segments"]] == [1.0, 3.0]
        assert lines_of(tmp_path / "out", "rejects") == [
            {
                "file": str(path),
                "offset": len(turn("a", 1)),
                "reason": "time_not_number",
                "detail": "start (field 4): expected a number of seconds, found 'x'",
                "line": "SPEAKER a 1 x 1 <NA> <NA> ann <NA>",
            }
        ]
        assert stats.reject_fraction == 1 / 3

    def test_too_many_fail_the_run_and_leave_no_marker(self, tmp_path):
        path = written(tmp_path / "a.rttm", turn("a", 1) + "nonsense\n")
        with pytest.raises(RejectLimitError, match=r"1 of 2 lines or files .*unknown_line_type: 1.*rejects-\*"):
            convert(path, tmp_path / "out")
        assert names(tmp_path / "out") == (COMPLETE - {"_SUCCESS"}) | {"rejects-00000-of-00001.jsonl"}

    def test_a_finished_run_stays_beside_a_refused_one(self, tmp_path):
        convert(written(tmp_path / "a.rttm", turn("a", 1)), tmp_path / "out")
        before = lines_of(tmp_path / "out")
        bad = written(tmp_path / "b.rttm", "nonsense\n")
        with pytest.raises(RejectLimitError, match="failed_run"):
            convert(bad, tmp_path / "out", overwrite=True)
        assert names(tmp_path / "out") == COMPLETE | {"failed_run"}
        assert lines_of(tmp_path / "out") == before

    def test_a_file_that_is_cut_off_fails_the_run(self, tmp_path):
        path = written(tmp_path / "a.rttm.gz", gzip.compress(turn("a", 1).encode())[:-4])
        with pytest.raises(ManifestReadError, match=r"a\.rttm\.gz: the compressed data is cut off"):
            convert(path, tmp_path / "out")
        assert names(tmp_path / "out") == set()


class TestOutput:
    def test_a_finished_run_is_replaced_only_when_told(self, tmp_path):
        convert(written(tmp_path / "a.rttm", turn("a", 1)), tmp_path / "out")
        other = written(tmp_path / "b.rttm", turn("b", 1) + "nonsense\n")
        with pytest.raises(ConfigError, match="--overwrite"):
            convert(other, tmp_path / "out")
        convert(other, tmp_path / "out", overwrite=True, max_reject_fraction=1)
        assert [each["audio_item_id"] for each in lines_of(tmp_path / "out")] == ["b"]
        convert(tmp_path / "a.rttm", tmp_path / "out", overwrite=True)
        assert names(tmp_path / "out") == COMPLETE

    def test_the_output_is_not_among_the_input(self, tmp_path):
        cuts = written(tmp_path / "in" / "cuts.jsonl", "")
        with pytest.raises(ConfigError, match="inside an input"):
            convert(tmp_path / "*" / "*.jsonl", cuts.parent, to_format="nemo")

    def test_shards_are_of_bounded_size(self, tmp_path, monkeypatch):
        monkeypatch.setattr("alm_beam.storage.line_shards.LineShards.__init__.__defaults__", (200,))
        written(tmp_path / "a.rttm", "".join(turn(f"r{number}", 1) for number in range(9)))
        convert(tmp_path / "a.rttm", tmp_path / "out")
        sizes = [path.stat().st_size for path in sorted((tmp_path / "out").glob("manifest-*-of-00003.jsonl"))]
        assert len(sizes) == 3
        assert max(sizes) < 300
        assert len(lines_of(tmp_path / "out")) == 9

    def test_no_recording_is_an_empty_manifest(self, tmp_path):
        convert(written(tmp_path / "a.rttm", ";; nothing\n"), tmp_path / "out")
        assert (tmp_path / "out" / "manifest-00000-of-00001.jsonl").read_bytes() == b""


class TestAudio:
    @pytest.fixture
    def audio(self, tmp_path) -> Path:
        for name in (
            "one.wav",
            "two.flac",
            "sub/three.WAV",
            "both.wav",
            "both.flac",
            "mon/same.wav",
            "tue/same.wav",
            "x.txt",
        ):
            written(tmp_path / "audio" / name, b"sound")
        return tmp_path / "audio"

    def test_audio_has_the_name_of_the_recording(self, tmp_path, audio):
        recordings = ("one", "two.flac", "three", "both", "same", "none", "mon/same", "x")
        written(tmp_path / "a.rttm", "".join(turn(each, 1) for each in recordings))
        stats = convert(tmp_path / "a.rttm", tmp_path / "out", audio_root=str(audio))
        found = {each["audio_item_id"]: each.get("audio_filepath") for each in lines_of(tmp_path / "out")}
        assert found == {
            "one": f"{audio}/one.wav",
            "two.flac": f"{audio}/two.flac",
            "three": f"{audio}/sub/three.WAV",
            "mon/same": f"{audio}/mon/same.wav",
            **dict.fromkeys(("both", "same", "none", "x")),
        }
        counts = json.loads((tmp_path / "out" / "convert_stats.json").read_text())
        assert (counts["audio_found"], stats.audio_found) == (4, 4)
        assert (counts["audio_not_found"], counts["audio_not_found_first"]) == (2, ["none", "x"])
        assert (counts["audio_ambiguous"], counts["audio_ambiguous_first"]) == (2, ["both", "same"])

    def test_without_a_root_none_is_looked_for(self, tmp_path):
        stats = convert(written(tmp_path / "a.rttm", turn("a", 1)), tmp_path / "out")
        assert stats.audio_not_found.first == ["a"]
        assert "audio_filepath" not in lines_of(tmp_path / "out")[0]


class TestOtherTools:
    """Each format with what is around it; what is in its lines has tests of its own."""

    DOCUMENT = json.dumps({"language": "en", "segments": [{"start": 0, "end": 1, "text": "hi", "speaker": "A"}]})

    def test_a_document_has_the_name_of_its_file(self, tmp_path):
        for name in ("a.json", "mon/b.json", "tue/b.json"):
            written(tmp_path / "in" / name, self.DOCUMENT)
        for name in ("a.wav", "x/mon/b.wav", "b.wav"):
            written(tmp_path / "audio" / name, "sound")
        audio = tmp_path / "audio"
        convert(tmp_path / "in", tmp_path / "out", from_format="whisperx", audio_root=str(audio))
        found = {each["audio_item_id"]: each.get("audio_filepath") for each in lines_of(tmp_path / "out")}
        assert found == {"a": f"{audio}/a.wav", "mon/b": f"{audio}/x/mon/b.wav", "tue/b": None}

    def test_two_documents_of_one_name_are_told(self, tmp_path):
        written(tmp_path / "in" / "a.json", self.DOCUMENT)
        other = written(tmp_path / "in" / "a.json.gz", gzip.compress(self.DOCUMENT.encode()))
        stats = convert(tmp_path / "in", tmp_path / "out", from_format="whisperx", max_reject_fraction=1)
        assert (stats.recordings, stats.rejected) == (1, {"repeated_recording": 1})
        [reject] = lines_of(tmp_path / "out", "rejects")
        assert (reject["file"], reject["offset"]) == (str(other), 0)
        assert f"{tmp_path / 'in' / 'a.json'} is of a recording of the same name" in reject["detail"]

    def test_a_document_that_is_too_long_is_rejected(self, tmp_path):
        written(tmp_path / "a.json", self.DOCUMENT + " " * 2000)
        more = {"from_format": "whisperx", "max_reject_fraction": 1, "max_line_bytes": 1000}
        assert convert(tmp_path / "a.json", tmp_path / "out", **more).rejected == {"line_too_long": 1}

    def test_a_relative_path_is_looked_for_below_the_root(self, tmp_path):
        audio = written(tmp_path / "audio" / "mon" / "a.wav", "sound").parents[1]
        paths = ("mon/a.wav", "a.wav", "/abs/a.wav", "https://host/a.wav")
        rows = [{"audio_filepath": path, "offset": 1, "duration": 2, "text": "hi", "speaker": "x"} for path in paths]
        written(tmp_path / "nemo.json", "".join(f"{json.dumps(row)}\n" for row in rows))
        stats = convert(tmp_path / "nemo.json", tmp_path / "out", from_format="nemo", audio_root=str(audio))
        found = {each["audio_filepath"] for each in lines_of(tmp_path / "out")}
        assert found == {f"{audio}/mon/a.wav", *paths[1:]}
        assert (stats.audio_found, stats.audio_stated, stats.audio_not_found.first) == (1, 2, ["a.wav"])

    def test_an_entry_that_cannot_be_made_is_rejected_by_its_first_line(self, tmp_path):
        def recording(source: str) -> str:
            sources = [{"type": "file", "channels": [0], "source": source}]
            return json.dumps(
                {"id": "r", "sources": sources, "sampling_rate": 8000, "num_samples": 8000, "duration": 1}
            )

        path = written(tmp_path / "in.jsonl", f"{recording('a.wav')}\n{recording('b.wav')}\n")
        stats = convert(path, tmp_path / "out", from_format="lhotse", max_reject_fraction=1)
        assert stats.rejected == {"recordings_differ": 1}
        [reject] = lines_of(tmp_path / "out", "rejects")
        assert (reject["file"], reject["offset"], reject["line"]) == (str(path), 0, "r")

    @pytest.mark.skipif(not CURATOR.exists(), reason=f"Curator's fetched manifests are not in {CURATOR.parent}")
    def test_what_curator_leaves(self, tmp_path):
        stats = convert(CURATOR, tmp_path / "out", from_format="curator")
        assert (stats.recordings, stats.segments, stats.audio_stated) == (2, 26, 2)
        assert stats.words > 100


def started(*flags: str, **more: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "alm_beam", "convert", *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


class TestFaults:
    @pytest.fixture
    def large(self, tmp_path) -> Path:
        return written(tmp_path / "in.rttm", "".join(turn(f"r{each % 900}", each % 977) for each in range(40_000)))

    def test_a_killed_run_leaves_nothing_that_looks_complete(self, tmp_path, large):
        spool = tmp_path / "tmp"
        spool.mkdir()
        out = tmp_path / "out"
        environment = {**os.environ, "TMPDIR": str(spool)}
        process = started(f"--input={large}", f"--output={out}", env=environment)
        while process.poll() is None and not any(out.glob("beam-temp-*/shards-manifest/*")):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "the run was over too soon for this test"
        assert not (out / "_SUCCESS").exists()
        assert list(spool.iterdir()) == []
        assert convert(large, out).segments == 40_000
        assert names(out) == COMPLETE

    def test_a_full_disk_is_told_and_leaves_nothing(self, tmp_path, large):
        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

        process = started(f"--input={large}", f"--output={tmp_path / 'out'}", preexec_fn=limit)
        _, err = process.communicate(timeout=600)
        assert process.returncode == 1
        assert "File too large" in err.splitlines()[-1]
        assert f"{tmp_path / 'out'} is not complete" in err.splitlines()[-1]
        assert names(tmp_path / "out") == set()

    def test_no_room_to_gather_is_told_and_leaves_nothing(self, tmp_path, large, monkeypatch):
        monkeypatch.setattr("alm_beam.storage.gathered.Gathered.__init__.__defaults__", (4000, 3))
        with open("/dev/full", "r+b", buffering=0) as full:
            monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
            with pytest.raises(RunError, match=r"No space left on device.*TMPDIR"):
                convert(large, tmp_path / "out")
        assert names(tmp_path / "out") == set()


@pytest.mark.skipif(not AMI.exists(), reason=f"the fetched RTTM is not at {AMI}")
def test_all_of_ami(tmp_path):
    with tarfile.open(fileobj=lzma.open(AMI)) as archive:
        for member in archive:
            if member.isfile():
                written(tmp_path / "ami" / member.name, archive.extractfile(member).read())
    files = sorted((tmp_path / "ami").rglob("*.rttm"))
    rows = [line.split() for path in files for line in path.read_text().splitlines()]
    stats = convert(tmp_path / "ami", tmp_path / "manifests")
    assert (stats.recordings, stats.segments) == (len(files), len(rows)) == (170, 82_973)
    assert stats.seconds == pytest.approx(sum(float(row[4]) for row in rows))
    assert stats.speakers == len({(row[1], row[7]) for row in rows})
    assert stats.rejected.total() == stats.noted["repeated_segments"] == 0
    flags = ("--default_sample_rate=16000", "--default_bandwidth=8000")
    assert windows([f"--input={tmp_path / 'manifests'}", f"--output={tmp_path / 'windows'}", *flags]) == 0
    made = json.loads((tmp_path / "windows" / "loss_stats.json").read_text())
    assert made["recordings"] == 170
    assert made["filtered_windows"] > 500


def test_on_a_store(s3):
    bucket = s3.bucket()
    s3.write(f"{bucket}/in/a.rttm", (turn("a", 1) + turn("b", 1)).encode())
    s3.write(f"{bucket}/in/sub/b.rttm.gz", gzip.compress((turn("a", 3)).encode()))
    s3.write(f"{bucket}/audio/sub/a.flac", b"sound")
    more = {"storage_options": {"s3": s3.options}, "audio_root": f"{bucket}/audio/"}
    stats = convert(f"{bucket}/in", f"{bucket}/out", **more)
    assert (stats.recordings, stats.segments, stats.audio_found) == (2, 3, 1)
    assert s3.names(f"{bucket}/out") == COMPLETE
    first = json.loads(s3.read(f"{bucket}/out/manifest-00000-of-00001.jsonl").splitlines()[0])
    assert first["audio_filepath"] == f"{bucket}/audio/sub/a.flac"
    with pytest.raises(ConfigError, match="no such folder"):
        convert(f"{bucket}/in", f"{bucket}/other", **{**more, "audio_root": f"{bucket}/nosuch"})
