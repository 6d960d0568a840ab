"""From real audio and what diarizers write about it to windows, by the three commands that the docs name."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from alm_beam.cli.main import main
from tests.manifests import output_entries

FETCHED = Path(__file__).parents[3] / "shared" / "inputs" / "fetched"

pytestmark = [
    pytest.mark.skipif(not (FETCHED / "audio_1.opus").exists(), reason="no ../shared/inputs/fetched"),
    pytest.mark.usefixtures("work"),
]

RULES = ["--target_window_duration=30", "--min_speakers=1", "--min_bandwidth=4000"]


@pytest.fixture
def work(tmp_path, monkeypatch) -> None:
    """The folder of a user, who has the audio."""
    monkeypatch.chdir(tmp_path)
    Path("audio").mkdir()
    shutil.copy(FETCHED / "audio_1.opus", "audio/audio_1.opus")


def tagged() -> dict[str, Any]:
    """What Curator found in audio_1."""
    entries = map(json.loads, (FETCHED / "tagging_base.jsonl").read_text(encoding="utf-8").splitlines())
    return next(entry for entry in entries if entry["audio_item_id"] == "audio_1")


def said() -> list[dict[str, Any]]:
    return [segment for segment in tagged()["segments"] if segment["speaker"] != "no-speaker"]


def times_after(*convert: str) -> list[list[float]]:
    """Ends and starts of the windows after the three commands, whose cuts point at the audio."""
    assert main(["convert", *convert, "--audio_root", "audio", "--output", "manifests"]) == 0
    assert main(["measure", "--input", "manifests", "--output", "measured"]) == 0
    assert main(["windows", "--input", "measured", "--output", "windows", *RULES]) == 0
    [cuts] = Path("windows").glob("cuts-*.jsonl")
    for cut in map(json.loads, cuts.read_text(encoding="utf-8").splitlines()):
        assert cut["recording"]["sources"][0]["source"].endswith("audio/audio_1.opus")
        assert (cut["recording"]["sampling_rate"], cut["recording"]["duration"]) == (48000, 60.0)
    return times("windows")


def times(output: str) -> list[list[float]]:
    [entry] = output_entries(Path(output))
    return [[round(time, 3) for time in pair] for pair in entry["filtered"]]


def times_of(entry: dict[str, Any]) -> list[list[float]]:
    """Those of the windows of an entry as it is, which states the bandwidths that Curator measured."""
    Path("plain.jsonl").write_text(json.dumps(entry), encoding="utf-8")
    flags = ["--default_sample_rate=48000", "--skip_no_speaker", *RULES]
    assert main(["windows", "--input", "plain.jsonl", "--output", "plain", *flags]) == 0
    assert times("plain")
    return times("plain")


def test_from_rttm():
    rows = [(each["start"], each["end"] - each["start"]) for each in said()]
    text = [f"SPEAKER audio_1 1 {start:.6f} {seconds:.6f} <NA> <NA> A <NA> <NA>\n" for start, seconds in rows]
    Path("audio_1.rttm").write_text("".join(text), encoding="utf-8")
    without_words = [{**segment, "words": []} for segment in said()]
    assert times_after("--from=rttm", "--input=audio_1.rttm") == times_of({**tagged(), "segments": without_words})


def test_from_whisperx():
    document = {
        "segments": [
            {
                "start": each["start"],
                "end": each["end"],
                "text": f" {each['text']}",
                "words": each["words"],
                "speaker": "A",
            }
            for each in said()
        ],
        "word_segments": tagged()["alignment"],
        "language": "en",
    }
    Path("audio_1.json").write_text(json.dumps(document), encoding="utf-8")
    assert times_after("--from=whisperx", "--input=audio_1.json") == times_of(tagged())


def test_from_curator():
    Path("tagged.jsonl").write_text(json.dumps(tagged()), encoding="utf-8")
    assert times_after("--from=curator", "--input=tagged.jsonl") == times_of(tagged())
