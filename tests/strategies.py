"""Hypothesis strategies: entries as hostile as the format allows, and configurations."""

from typing import Any

from hypothesis import strategies as st

from alm_beam.core.config import OverlapConfig, WindowConfig

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
