"""The main job on what NeMo Curator's tagging chain leaves, with nothing edited in between."""

import json
from pathlib import Path
from typing import Any

import pytest

from alm_beam.cli.windows import main
from tests.manifests import lines, output_entries, rejects, stats, write

FETCHED = Path(__file__).parents[3] / "shared" / "inputs" / "fetched"

FLAGS = [
    "--default_sample_rate=48000",
    "--skip_no_speaker",
    "--target_window_duration=30",
    "--min_speakers=1",
    "--min_bandwidth=4000",
]


def turns(count: int = 20) -> list[dict[str, Any]]:
    """What one person says, in the shape of the chain's last steps but one: pauses are segments of `no-speaker`."""
    found: list[dict[str, Any]] = []
    for n in range(count):
        begin, end = 4.0 * n, 4.0 * n + 3
        words = [
            {"word": word, "start": begin + at, "end": begin + at + 0.9} for at, word in enumerate(("so", "it", "is"))
        ]
        metrics = {"bandwidth": 7500 + n, "pesq_squim": 2.5, "wer": {"wer": 0.1}}
        said = {"speaker": "item_SPEAKER_00", "start": begin, "end": end, "text": "so it is", "words": words}
        pause = {"speaker": "no-speaker", "start": end, "end": end + 1, "text": "", "words": []}
        found += ({**said, "metrics": metrics}, pause)
    return found


def base(**fields: Any) -> dict[str, Any]:
    """An entry as it is after the metrics are measured."""
    return {
        "audio_filepath": "audios/item.opus",
        "audio_item_id": "item",
        "resampled_audio_filepath": "/data/item.wav",
        "duration": 80.0,
        "segments": turns(),
        "overlap_segments": [],
        "split_offsets": [0.0],
        **fields,
    }


def prepared(labels: list[str]) -> dict[str, Any]:
    """An entry as its last step leaves it: metrics have a value for each word, and labels may be joined."""
    said = turns()[::2]
    for n, segment in enumerate(said):
        segment["speaker"] = labels[n % len(labels)]
        segment["metrics"] = {name: [value, None, value] for name, value in segment["metrics"].items() if name != "wer"}
    return base(segments=said)


SHAPES = {
    "base": base(),
    "tts": prepared(["item_SPEAKER_00"]),
    "asr": prepared(["item_SPEAKER_00", "item_SPEAKER_00,no-speaker", "no-speaker, item_SPEAKER_00"]),
    "sortformer": {"diar_segments" if name == "segments" else name: value for name, value in base().items()},
    "production": base(sample_rate=48000),
}


def windows_of(manifest: Path, out: Path, *flags: str) -> list[dict[str, Any]]:
    """The cuts of a run."""
    assert main([f"--input={manifest}", f"--output={out}", *FLAGS, *flags]) == 0
    assert not rejects(out)
    return [json.loads(line) for shard in out.glob("cuts-*.jsonl") for line in shard.read_bytes().splitlines()]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_gives_the_windows_that_its_speech_has(tmp_path, shape):
    plain = base(segments=turns()[::2], audio_sample_rate=48000)
    expected = windows_of(write(tmp_path / "plain.jsonl", lines([plain])), tmp_path / "expected")
    found = windows_of(write(tmp_path / "in.jsonl", lines([SHAPES[shape]])), tmp_path / "out", "--speaker_separator=,")
    assert len(found) == 3
    assert [(cut["start"], cut["duration"]) for cut in found] == [(cut["start"], cut["duration"]) for cut in expected]
    for cut, other in zip(found, expected):
        assert cut["recording"] == other["recording"]
        assert cut["custom"] == other["custom"]
        assert [each["speaker"] for each in cut["supervisions"]] == ["item_SPEAKER_00"] * len(other["supervisions"])
    assert stats(tmp_path / "out")["total_segments"] == 20
    assert {"segments", "diar_segments"}.isdisjoint(output_entries(tmp_path / "out")[0])


@pytest.mark.parametrize("name", ["tagging_base", "tagging_asr", "tagging_tts"])
def test_the_real_output_gives_windows(tmp_path, name):
    manifest = FETCHED / f"{name}.jsonl"
    if not manifest.is_file():
        pytest.skip(f"the fetched inputs are not at {FETCHED}")
    cuts = windows_of(manifest, tmp_path / "out", "--speaker_separator=,")
    assert {cut["recording"]["id"] for cut in cuts} <= {"audio_1", "audio_2"}
    assert {each["speaker"] for cut in cuts for each in cut["supervisions"]} <= {
        "audio_1_SPEAKER_00",
        "audio_2_SPEAKER_00",
    }
    assert stats(tmp_path / "out")["recordings"] == 2
    assert stats(tmp_path / "out")["filtered_windows"] == len(cuts) >= 2


def test_an_entry_without_a_rate_fails_the_run_by_the_name_of_the_flag(tmp_path, capsys):
    manifest = write(tmp_path / "in.jsonl", lines([base()]))
    assert main([f"--input={manifest}", f"--output={tmp_path / 'out'}"]) == 1
    assert "--default_sample_rate" in capsys.readouterr().err
    assert "--default_sample_rate" in rejects(tmp_path / "out")[0]["detail"]


@pytest.mark.parametrize(
    ("flags", "note"),
    [
        (FLAGS[:1], "--skip_no_speaker"),
        (FLAGS[:1] + FLAGS[2:], "--skip_no_speaker"),
        (["--max_reject_fraction=1"], "--default_sample_rate"),
        (["--default_sample_rate=16000", *FLAGS[1:4]], "audio of 16000 Hz cannot reach --min_bandwidth=8000"),
    ],
)
def test_a_run_without_windows_names_the_next_flag(tmp_path, capsys, flags, note):
    entry = base(segments=[{**each, "text": "x" * n} for n, each in enumerate(turns())])
    if note.startswith("--skip"):
        for segment in entry["segments"][::2]:
            segment["metrics"]["bandwidth"] = 9000
    assert (
        main([f"--input={write(tmp_path / 'in.jsonl', lines([entry]))}", f"--output={tmp_path / 'out'}", *flags]) == 0
    )
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: no windows: ")]
    assert note in line
