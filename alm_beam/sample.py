"""Made-up manifests, of any size, for trials and scale tests. No recording stands behind them."""

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from fsspec.utils import infer_compression

from alm_beam.storage.discovery import is_manifest_name
from alm_beam.storage.paths import errors_that_name, located, make_folder, move

SHIPPED = str(Path(__file__).with_name("sample_data"))
"""The folder of the manifests that are part of this package: five conversations."""

RECORDINGS_PER_MANIFEST = 10_000

_MANIFESTS = "sample-[0-9][0-9][0-9][0-9][0-9].jsonl"
_UNFINISHED = ".part"

_SAMPLE_RATES = (16000, 22050, 24000, 44100, 48000)
_BANDWIDTHS = (8000, 8600, 9400, 11000, 12000)
_SENTENCES = """
    so the plan for today is short we look at what came in last week and then at what is still open
    nobody asked for more time but two of us would like to see numbers before anything moves
    fine let us write that down and come back to it after the break
"""
_WORDS = _SENTENCES.split()
_OTHER_SCRIPTS = ("größer", "déjà", "東京", "привет", "مرحبا", "🙂")


def write_sample(out: str, *, recordings: int, seed: int, hostile: bool = False) -> list[str]:
    """Writes manifests, one recording after the other, and gives their paths.

    Args:
        out: a manifest (by its name's ending; .gz, .zst and .bz2 compress) or else a folder, which gets a manifest for
            each RECORDINGS_PER_MANIFEST and loses those of an earlier call; any fsspec URL. A manifest has its name
            only when it is whole.
        recordings: how many, 0 or more.
        seed: the same one gives the same bytes.
        hostile: with everything that a real manifest may hold and most do not.
    """
    entries = sample_entries(recordings=recordings, seed=seed, hostile=hostile)
    if is_manifest_name(out):
        _write(out, entries, recordings)
        return [out]
    _remove_earlier(out)
    paths = []
    for first in range(0, max(recordings, 1), RECORDINGS_PER_MANIFEST):
        paths.append(f"{out.rstrip('/')}/sample-{first // RECORDINGS_PER_MANIFEST:05}.jsonl")
        _write(paths[-1], entries, min(RECORDINGS_PER_MANIFEST, recordings - first))
    return paths


def remove_unfinished(out: str) -> None:
    """Removes what a `write_sample` has left there, that was ended, of a manifest that is not whole.

    Raises:
        OSError: it cannot be removed.
    """
    with errors_that_name(out):
        fs, path, _ = located(out)
        found = [f"{path}{_UNFINISHED}"] if is_manifest_name(out) else fs.glob(f"{path}/{_MANIFESTS}{_UNFINISHED}")
        for each in found:
            with suppress(FileNotFoundError):
                fs.rm_file(each)


def sample_entries(*, recordings: int, seed: int, hostile: bool = False) -> Iterator[dict[str, Any]]:
    """The entries that `write_sample` writes; entry i depends on the seed and on i alone."""
    for number in range(recordings):
        rng = random.Random(f"{seed}/{number}")
        yield _hostile_entry(rng, number) if hostile else _entry(rng, number)


def _remove_earlier(folder: str) -> None:
    with errors_that_name(folder):
        fs, path, _ = located(folder)
        for found in fs.glob(f"{path}/{_MANIFESTS}"):
            fs.rm_file(found)


def _write(url: str, entries: Iterator[dict[str, Any]], count: int) -> None:
    with errors_that_name(url):
        fs, path, _ = located(url)
        make_folder(fs, path.rpartition("/")[0])
        unfinished = f"{path}{_UNFINISHED}"
        file = fs.open(unfinished, "wb", compression=infer_compression(path))
    try:
        for _ in range(count):
            line = orjson.dumps(next(entries)) + b"\n"
            with errors_that_name(url):
                file.write(line)
        with errors_that_name(url):
            file.close()
            move(fs, [unfinished], [path])
    except BaseException:
        with suppress(Exception):
            file.close()
        with suppress(Exception):
            remove_unfinished(url)
        raise


def _entry(rng: random.Random, number: int) -> dict[str, Any]:
    """A conversation: two to four speakers take turns, with gaps and a little crosstalk."""
    speakers = [f"speaker_{index}" for index in range(rng.randint(2, 4))]
    segments: list[dict[str, Any]] = []
    now = rng.uniform(0, 3)
    for _ in range(rng.randint(40, 120)):
        start = round(max(now + rng.gauss(0.5, 0.6), 0), 2)
        end = round(start + rng.uniform(0.8, 9), 2)
        bandwidth = rng.choice(_BANDWIDTHS) if rng.random() > 0.02 else 4000
        segments.append(_segment(rng, start, end, rng.choice(speakers), bandwidth))
        now = end
    return {
        "audio_filepath": f"/data/sample/{number:08}.wav",
        "audio_sample_rate": _SAMPLE_RATES[number % len(_SAMPLE_RATES)],
        "duration": round(now + 1, 2),
        "segments": segments,
    }


def _segment(rng: random.Random, start: float, end: float, speaker: str, bandwidth: int) -> dict[str, Any]:
    spoken = rng.choices(_WORDS, k=max(1, round((end - start) * 2.5)))
    step = (end - start) / len(spoken)
    bounds = [round(start + step * index, 3) for index in range(len(spoken))] + [end]
    return {
        "start": start,
        "end": end,
        "speaker": speaker,
        "text": " ".join(spoken),
        "metrics": {"bandwidth": bandwidth},
        "words": [
            {"word": word, "start": bounds[index], "end": bounds[index + 1]} for index, word in enumerate(spoken)
        ],
    }


def _hostile_entry(rng: random.Random, number: int) -> dict[str, Any]:
    """An entry that obeys the format and little else: what it lacks, repeats and mixes up varies with the entry."""
    entry = _entry(rng, number)
    entry["audio_sample_rate"] = rng.choice((8000, 16000, 16000.0, 48000))
    entry["meta"] = {"language": rng.choice(("de", "ja", None)), "nested": [1, 2.5, None, True, {"a": []}]}
    entry["swift_audio_filepath"] = f"swift://bucket/{number:08}.wav"
    segments = [_hostile_segment(rng, segment) for segment in entry["segments"]]
    if rng.random() < 0.3:
        rng.shuffle(segments)
    if segments and rng.random() < 0.3:
        segments[len(segments) // 2 :] = segments[: len(segments) // 2 + 1]
    entry["segments"] = segments if rng.random() > 0.05 else []
    return entry


def _hostile_segment(rng: random.Random, segment: dict[str, Any]) -> dict[str, Any]:
    segment["text"] += f" {rng.choice(_OTHER_SCRIPTS)}"
    change = rng.random()
    if change < 0.04:
        del segment["speaker"]
    elif change < 0.12:
        segment["speaker"] = rng.choice(("no-speaker", "", None, 0, 7))
    elif change < 0.16:
        del segment["metrics"]
    elif change < 0.22:
        segment["metrics"] = rng.choice((None, {}, {"bandwidth": None}, {"bandwidth": 7999.9}))
    elif change < 0.26:
        segment["end"] = segment["start"]
    elif change < 0.30:
        segment["start"], segment["end"] = int(segment["start"]), int(segment["end"]) + 1
    elif change < 0.36:
        del segment["words"]
    elif change < 0.42:
        segment["end"] += rng.choice((10, 60, 200))
    elif change < 0.46:
        segment["words"].reverse()
    elif change < 0.50:
        segment["words"] = [{"end": word["end"]} for word in segment["words"]]
    return segment
