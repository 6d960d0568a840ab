"""Which channel is which in audio shards, whatever order files have them in."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.jobs.cuts import RATE, cut, cuts_in, job, recording, shar_audio, write


def sources(folder: Path, channels: NDArray[np.int16], files: list[tuple[list[int], int]]) -> list[dict[str, Any]]:
    """Files with some of the channels [channels, samples], of which each has only the first so many of those stated."""
    found = []
    for number, (stated, count) in enumerate(files):
        soundfile.write(folder / f"{number}.wav", channels[stated[:count]].T, RATE)
        found.append({"type": "file", "channels": stated, "source": str(folder / f"{number}.wav")})
    return found


@pytest.mark.parametrize(
    ("files", "heard"),
    [
        ([([0, 1, 2], 3)], [0, 1, 2]),
        ([([2, 0, 1], 3)], [0, 1, 2]),
        ([([2], 1), ([1], 1), ([0], 1)], [0, 1, 2]),
        ([([2, 0], 2), ([1], 1)], [0, 1, 2]),
        ([([2, 0, 1], 2)], [0, 2]),  # the file has fewer than the recording states
    ],
)
def test_supervisions_stay_with_their_channels(tmp_path, files, heard):
    whole = np.random.default_rng(0).integers(-9000, 9000, (3, 2 * RATE)).astype(np.int16)
    of = {**recording("meeting.wav", 2, channels=3), "sources": sources(tmp_path, whole, files)}
    said = [
        {"id": f"{each}", "recording_id": of["id"], "start": 0.0, "duration": 1.0, "channel": each} for each in heard
    ]
    given = cut("a", of, 0.5, 1.0, type="MultiCut", channel=[0, 1, 2], supervisions=said)
    assert job(tmp_path / "out", write(tmp_path / "cuts.jsonl", [given]), flags=["--channels=keep"]) == 0
    samples, _ = shar_audio(tmp_path / "out")["a"]
    [made] = cuts_in(tmp_path / "out")
    assert made["channel"] == [*range(len(heard))]
    for supervision in made["supervisions"]:
        expected = whole[int(supervision["id"]), RATE // 2 : RATE * 3 // 2]
        np.testing.assert_array_equal(samples[:, supervision["channel"]], expected)
