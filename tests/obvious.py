"""The rules once more, slow and obvious, to compare with: a candidate grows by one segment after another."""

from typing import Any

from alm_beam.core.config import WindowConfig


def _counted(speaker: Any) -> bool:
    return speaker is not None and speaker != ""


def _bandwidth(segment: dict[str, Any]) -> float:
    return ((segment.get("metrics") or {}).get("bandwidth")) or 0


def _speakers(gathered: list[dict[str, Any]]) -> dict[Any, float]:
    seconds: dict[Any, float] = {}
    for segment in gathered:
        if _counted(segment.get("speaker")):
            seconds[segment["speaker"]] = seconds.get(segment["speaker"], 0) + (segment["end"] - segment["start"])
    return seconds


def ends_of(words: list[Any]) -> list[float | None]:
    """The end of each word: its own, or else that of the nearest word before it, or else after it, that has one."""
    own = [word.get("end") if isinstance(word, dict) else None for word in words]
    return [
        next((end for end in [*reversed(own[: at + 1]), *own[at:]] if end is not None), None) for at in range(len(own))
    ]


def text_of(word: Any) -> str:
    if isinstance(word, str):
        return word
    return (word.get("text") if word.get("word") is None else word["word"]) or ""


def _cut(segment: dict[str, Any], limit: float) -> dict[str, Any]:
    words = segment.get("words")
    words = words if isinstance(words, list) else []
    kept = [(word, end) for word, end in zip(words, ends_of(words)) if end is not None and end <= limit]
    end = kept[-1][1] if kept else segment["start"]
    text = " ".join(text_of(word) for word, _ in kept if text_of(word))
    return {**segment, "words": [word for word, _ in kept], "text": text, "end": end}


def _too_many(speakers: dict[Any, float], config: WindowConfig) -> bool:
    return len(speakers) > config.max_speakers or "no-speaker" in speakers


def candidates(entry: dict[str, Any], config: WindowConfig) -> dict[str, Any]:
    """What each start gives: windows as (segments, speaker durations), losses as counts, truncations."""
    segments = entry["segments"]
    found: dict[str, Any] = {"windows": [], "bw": 0, "sr": 0, "spk": 0, "win": 0, "lost": [], "truncations": 0}
    if entry["audio_sample_rate"] < config.min_sample_rate:
        return {**found, "sr": len(segments)}
    for first, start_segment in enumerate(segments):
        if _bandwidth(start_segment) < config.min_bandwidth:
            found["bw"] += 1
            continue
        start, end, gathered = start_segment["start"], start_segment["end"], []
        for at in range(first, len(segments)):
            segment = segments[at]
            if _bandwidth(segment) < config.min_bandwidth:
                break
            too_long = segment["end"] - start > config.max_duration
            if too_long:
                limit = start + config.max_duration
                if not config.truncation or segment["start"] >= limit:
                    break
                segment = _cut(segment, limit)
                too_many = _too_many(_speakers([*gathered, segment]), config)
                if config.drop_empty_truncations and segment["end"] <= segment["start"] and not too_many:
                    break
                found["truncations"] += 1
            if _too_many(_speakers([*gathered, segment]), config):
                break
            gathered.append(segment)
            end = segment["end"]
            if too_long:
                break
        if not config.min_duration <= end - start <= config.max_duration or len(gathered) < 2:
            found["win"] += 1
            found["lost"].append((first, gathered, at))
        elif len(_speakers(gathered)) < config.min_speakers:
            found["spk"] += 1
        else:
            longest = sorted(_speakers(gathered).values(), reverse=True)
            found["windows"].append((gathered, (longest + [0.0] * 5)[:5]))
    return found


def all_windows(entry: dict[str, Any], config: WindowConfig) -> list[tuple[list[dict[str, Any]], list[float]]]:
    """Every window, as (segments, speaker durations), by start; of those of one end that of the most whole segments."""
    segments = entry["segments"]
    found: list[tuple[list[dict[str, Any]], list[float]]] = []
    for first in range(len(segments) if entry["audio_sample_rate"] >= config.min_sample_rate else 0):
        start, by_end = segments[first]["start"], {}
        for stop in range(first + 1, len(segments) + 1):
            gathered = segments[first:stop]
            if any(_bandwidth(segment) < config.min_bandwidth for segment in gathered):
                break
            if any(segment["end"] - start > config.max_duration for segment in gathered[:-1]):
                break
            is_cut = gathered[-1]["end"] - start > config.max_duration
            limit = start + config.max_duration
            if is_cut:
                if not config.truncation or gathered[-1]["start"] >= limit:
                    break
                gathered[-1] = _cut(gathered[-1], limit)
                if config.drop_empty_truncations and gathered[-1]["end"] <= gathered[-1]["start"]:
                    break
            seconds = _speakers(gathered)
            if (
                len(gathered) >= 2
                and config.min_duration <= gathered[-1]["end"] - start <= config.max_duration
                and config.min_speakers <= len(seconds)
                and not _too_many(seconds, config)
            ):
                longest = sorted(seconds.values(), reverse=True)
                if not is_cut or gathered[-1]["end"] not in by_end:
                    by_end[gathered[-1]["end"]] = (gathered, (longest + [0.0] * 5)[:5])
        found += by_end.values()
    return found


def best_choice(times: list[tuple[float, float]], threshold: float, target: float) -> list[int]:
    """Of all choices of which no two overlap too much that of the most seconds; then the nearest; then the earliest."""
    lengths = [round((end - start) * 10**9) for start, end in times]
    choices: list[list[int]] = [[]]
    for at, one in enumerate(times):
        choices += [
            [*choice, at] for choice in choices if not any(too_much(times[other], one, threshold) for other in choice)
        ]

    def rank(choice: list[int]) -> tuple[int, int, list[int]]:
        return (
            -sum(lengths[at] for at in choice),
            sum(abs(lengths[at] - round(target * 10**9)) for at in choice),
            choice,
        )

    return min(choices, key=rank)


def too_much(one: tuple[float, float], other: tuple[float, float], threshold: float) -> bool:
    """Whether a pair of windows that begin in this order loses one: those that only touch never do."""
    return other[0] < one[1] and overlap(one, other) >= threshold


def overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The overlap of two windows given as (start, end), as a fraction of the shorter one."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    shorter = min(one[1] - one[0], other[1] - other[0])
    return max(shared, 0) / shorter if shorter else 0.0
