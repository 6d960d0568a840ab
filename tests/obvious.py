"""The rules once more, slow and obvious, to compare with: a candidate grows by one segment after another."""

from itertools import pairwise
from typing import Any

from alm_beam.core.config import WindowConfig


def _counted(speaker: Any) -> bool:
    return speaker is not None and speaker != ""


def _bandwidth(segment: dict[str, Any]) -> float:
    return ((segment.get("metrics") or {}).get("bandwidth")) or 0


def names_of(label: Any) -> list[Any]:
    """The speakers of a label; a comma joins several."""
    return label.split(",") if isinstance(label, str) and "," in label else [label] if _counted(label) else []


def _speakers(gathered: list[dict[str, Any]]) -> dict[Any, float]:
    seconds: dict[Any, float] = {}
    for segment in gathered:
        for name in names_of(segment.get("speaker")):
            seconds[name] = seconds.get(name, 0) + (segment["end"] - segment["start"])
    return seconds


def _worst(segment: dict[str, Any], name: str, worst: Any) -> float | None:
    value = segment.get("metrics") or {}
    if name in value:
        value = value[name]
    else:
        for key in name.split("."):
            value = (value or {}).get(key)
    numbers = [each for each in (value if isinstance(value, list) else [value]) if each is not None]
    return worst(numbers) if numbers else None


def first_rule_broken(segment: dict[str, Any], config: WindowConfig) -> str | None:
    """Why a segment is in no window: `bw`, or the name of a metric."""
    if _bandwidth(segment) < config.min_bandwidth:
        return "bw"
    for name, least in config.min_metrics:
        value = _worst(segment, name, min)
        if config.require_metrics if value is None else value < least:
            return name
    for name, most in config.max_metrics:
        value = _worst(segment, name, max)
        if config.require_metrics if value is None else value > most:
            return name
    return None


def _is_behind_pause(gathered: list[dict[str, Any]], segment: dict[str, Any], config: WindowConfig) -> bool:
    if config.max_gap is None or not gathered:
        return False
    return bool(segment["start"] - max(each["end"] for each in gathered) > config.max_gap)


def covered_by(gathered: list[dict[str, Any]], begin: float, end: float, count: int = 1) -> list[tuple[float, float]]:
    """The stretches between two times in which so many segments speak at least, cut wherever one begins or ends."""
    times = {min(max(each[name], begin), end) for each in gathered for name in ("start", "end")} | {begin, end}
    return [
        (one, other)
        for one, other in pairwise(sorted(times))
        if sum(each["start"] <= one and other <= each["end"] for each in gathered) >= count
    ]


def speech_rule_broken(gathered: list[dict[str, Any]], config: WindowConfig) -> str | None:
    """The first of the rules for speech that a window breaks."""
    begin, end = gathered[0]["start"], gathered[-1]["end"]
    covered = sum(other - one for one, other in covered_by(gathered, begin, end))
    if covered / (end - begin) < config.min_speech:
        return "speech"
    seconds = _speakers(gathered).values()
    if sum(seconds) > 0 and max(seconds) / sum(seconds) > config.max_speaker_share:
        return "share"
    return None


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
    found |= {"no_spkr": 0, "next_seg_bm": 0, "gap": 0, "speech": 0, "share": 0}
    found |= {name: 0 for name, _ in (*config.min_metrics, *config.max_metrics)}
    if entry["audio_sample_rate"] < config.min_sample_rate:
        return {**found, "sr": len(segments)}
    for first, start_segment in enumerate(segments):
        broken = first_rule_broken(start_segment, config)
        if broken is not None:
            found[broken] += 1
            continue
        is_behind_pause = False
        start, end, gathered = start_segment["start"], start_segment["end"], []
        for at in range(first, len(segments)):
            segment = segments[at]
            is_behind_pause = _is_behind_pause(gathered, segment, config)
            if is_behind_pause or first_rule_broken(segment, config) is not None:
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
            if is_behind_pause:
                found["gap"] += 1
            elif segments[at].get("speaker", "no-speaker") == "no-speaker":
                found["no_spkr"] += 1
            elif first_rule_broken(segments[at], config) is not None:
                found["next_seg_bm"] += 1
        elif len(_speakers(gathered)) < config.min_speakers:
            found["spk"] += 1
        elif speech_rule_broken(gathered, config) is not None:
            found[speech_rule_broken(gathered, config)] += 1
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
            if any(first_rule_broken(segment, config) is not None for segment in gathered):
                break
            if _is_behind_pause(gathered[:-1], gathered[-1], config):
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
                and speech_rule_broken(gathered, config) is None
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
