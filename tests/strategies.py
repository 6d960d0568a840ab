"""Hypothesis strategies: entries as hostile as the format allows, and configurations."""

from typing import Any

from hypothesis import strategies as st

from alm_beam.core.config import LONGEST, OverlapConfig, WindowConfig

_SPEAKERS = st.sampled_from(["a", "b", "c", "no-speaker", "", None, 0, 1])
_METRICS = st.one_of(
    st.none(), st.just({}), st.builds(lambda b: {"bandwidth": b}, st.sampled_from([None, 0, 7999.9, 8000, 12000]))
)
# Tenths are no exact floats: their sums and differences meet a duration and round to either side of it.
_TENTHS = st.integers(0, 600).map(lambda tenths: tenths / 10)
_TIMES = st.one_of(st.integers(0, 60), _TENTHS, st.floats(-5, 60, allow_nan=False).map(lambda t: round(t, 3)))
_WORDS = st.sampled_from(
    [
        {"word": "w"},
        {"word": ""},
        {},
        {"word": "é"},
        {"text": "t"},
        {"word": None, "text": "u"},
        {"word": "", "text": "v"},
    ]
)


@st.composite
def _without_some_ends(draw: st.DrawFn, words: list[dict[str, Any]]) -> Any:
    """Words as tools write them that could not align each of them, or none."""
    if not draw(st.integers(0, 5)):
        return draw(st.sampled_from([None, "good morning", [], ["good", "morning"]]))
    found: list[Any] = []
    for word in words:
        without = {name: value for name, value in word.items() if name != "end"}
        found.append(draw(st.sampled_from([word, word, without, {**word, "end": None}, "plain"])))
    return found


@st.composite
def segments(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(_TIMES)
    end = start + draw(st.one_of(st.just(0), st.floats(0, 12), st.integers(0, 12), _TENTHS, st.floats(30, 90)))
    segment: dict[str, Any] = {"start": start, "end": end}
    if draw(st.booleans()):
        segment["metrics"] = {"bandwidth": 9000}
    elif draw(st.booleans()):
        segment["metrics"] = draw(_METRICS)
    if draw(st.integers(0, 9)):
        segment["speaker"] = draw(_SPEAKERS)
    if draw(st.booleans()):
        count = draw(st.integers(0, 5))
        ends = draw(st.lists(st.floats(start - draw(st.sampled_from([0, 0, 3])), end), min_size=count, max_size=count))
        if draw(st.booleans()):
            ends.sort()
        segment["words"] = [draw(_WORDS) | {"end": e} for e in ends]
        if draw(st.booleans()):
            segment["words"] = draw(_without_some_ends(segment["words"]))
    if draw(st.booleans()):
        segment["text"] = draw(st.text(max_size=5))
    return segment


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    found = draw(st.lists(segments(), max_size=25))
    if draw(st.booleans()):
        found.sort(key=lambda segment: segment["start"])
    return {
        "audio_filepath": draw(st.sampled_from(["a.wav", "b.wav"])),
        "audio_sample_rate": draw(st.sampled_from([8000, 16000, 16000.0, 44100])),
        "segments": found,
        "words": [],
        "swift_audio_filepath": draw(st.sampled_from([None, "swift://x"])),
    }


@st.composite
def window_configs(draw: st.DrawFn) -> WindowConfig:
    least = draw(st.integers(1, 3))
    return WindowConfig(
        target_window_duration=draw(st.floats(1, 40) | _TENTHS.filter(bool)),
        tolerance=draw(st.sampled_from([0, 0.1, 0.5]) | st.floats(0, 0.9)),
        min_speakers=least,
        max_speakers=draw(st.integers(least, 4)),
        truncation=draw(st.booleans()),
        drop_empty_truncations=draw(st.booleans()),
    )


overlap_configs = st.builds(
    OverlapConfig,
    overlap_percentage=st.one_of(st.sampled_from([0, 50, 100]), st.floats(0, 100)),
    target_duration=st.floats(0.5, 60),
)


_EIGHTHS = st.integers(0, 200).map(lambda eighths: eighths / 8)
"""Exact floats: the order of additions does not matter."""

_METRIC = st.sampled_from([None, 0.25, 0.5, 2, [0.5, None, 2], [None], []])


@st.composite
def exact_segments(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(_EIGHTHS)
    end = start + draw(st.integers(0, 8) | st.integers(0, 40).map(lambda eighths: eighths / 8) | st.just(30))
    metrics = {"bandwidth": draw(st.sampled_from([9000, 9000, 9000, 9000, 4000]))}
    if draw(st.booleans()):
        metrics["pesq"] = draw(_METRIC)
    if draw(st.booleans()):
        metrics["wer"] = draw(st.none() | st.just({}) | st.builds(lambda wer: {"wer": wer}, _METRIC))
    if draw(st.booleans()):
        metrics["wer.cer"] = draw(_METRIC)
    segment: dict[str, Any] = {"start": start, "end": end, "metrics": metrics}
    if draw(st.integers(0, 9)):
        segment["speaker"] = draw(st.sampled_from(["a", "a", "b", "b", "c", "no-speaker", "", None, 1]))
    ends = draw(st.lists(st.integers(-8, 8 * int(end - start + 1)), max_size=4))
    segment["words"] = [{"word": "w", "end": start + eighths / 8} for eighths in sorted(ends)]
    return segment


@st.composite
def exact_entries(draw: st.DrawFn) -> dict[str, Any]:
    """Entries whose times are eighths of a second, with metrics; in order of time or not."""
    found = draw(st.lists(exact_segments(), max_size=20))
    if draw(st.booleans()):
        found.sort(key=lambda segment: segment["start"])
    return {
        "audio_filepath": "a.wav",
        "audio_sample_rate": draw(st.sampled_from([8000] + 5 * [16000])),
        "segments": found,
    }


@st.composite
def with_joint_labels(draw: st.DrawFn) -> dict[str, Any]:
    """The same, where commas join speakers."""
    entry = draw(exact_entries())
    for segment in entry["segments"]:
        if draw(st.booleans()):
            segment["speaker"] = draw(st.sampled_from(["a,b", "b,a", "b,c", "c,d,e"]))
    return entry


@st.composite
def rule_configs(draw: st.DrawFn, candidates: str = LONGEST) -> WindowConfig:
    """Configurations with any of the rules that are off by default."""
    least = draw(st.integers(1, 3))
    limits = st.dictionaries(
        st.sampled_from(["pesq", "wer.wer", "wer.cer"]), st.sampled_from([0.25, 0.5, 1, 2]), max_size=2
    )
    return WindowConfig(
        target_window_duration=draw(st.integers(8, 120)) / 8,
        tolerance=draw(st.sampled_from([0, 0.25, 0.5])),
        min_speakers=least,
        max_speakers=draw(st.integers(least, 4)),
        truncation=draw(st.booleans()),
        drop_empty_truncations=draw(st.booleans()),
        max_gap=draw(st.none() | st.sampled_from([0, 0.125, 0.5, 1, 3])),
        min_speech=draw(st.sampled_from([0, 0.25, 0.5, 0.75, 1])),
        max_speaker_share=draw(st.sampled_from([1, 0.875, 0.75, 0.5, 0.375])),
        min_metrics=draw(st.just({}) | limits),
        max_metrics=draw(st.just({}) | limits),
        require_metrics=draw(st.booleans()),
        candidates=candidates,
    )
