"""Who speaks when in a cut, and what: as formats state it that have one text for a whole window."""

from collections.abc import Mapping, Sequence
from typing import Any

from alm_beam.core.cut_fields import supervisions_of, time_in


def segments_of(cut: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The supervisions of a cut in the order of time: `start` and `end` (seconds, from the beginning of the cut), and
    `speaker`, `text` and `channel` where they state them.

    Raises:
        BadEntry: they are no list of objects, or have no times.

    >>> heard = [{"start": 2.1, "duration": 0.2, "text": "yes"}, {"start": 0, "duration": 2.5, "speaker": "ann"}]
    >>> segments_of({"supervisions": heard})
    [{'start': 0.0, 'end': 2.5, 'speaker': 'ann'}, {'start': 2.1, 'end': 2.3, 'text': 'yes'}]
    """
    segments = []
    for index, each in enumerate(supervisions_of(cut)):
        at = f"supervisions[{index}]"
        start = time_in(each, "start", at)
        segment: dict[str, Any] = {"start": float(start), "end": float(start + time_in(each, "duration", at))}
        segment |= {name: each[name] for name in ("speaker", "text", "channel") if each.get(name) is not None}
        segments.append(segment)
    return sorted(segments, key=lambda segment: (segment["start"], segment["end"]))


def text_of(segments: Sequence[Mapping[str, Any]]) -> str:
    """What is said in segments: their texts, with a space between them.

    >>> text_of([{"start": 0.0, "end": 2.0, "text": "hello"}, {"start": 3.0, "end": 4.0, "text": " there"}])
    'hello there'
    """
    texts = (segment.get("text") for segment in segments)
    return " ".join(text.strip() for text in texts if isinstance(text, str) and text.strip())
