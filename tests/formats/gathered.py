"""Pieces to entries, as a conversion does it: all of one recording, from JSON."""

from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from hypothesis import strategies as st

from alm_beam.core.faults import BadEntry
from alm_beam.core.manifest import parse_recording
from alm_beam.formats.format import Format, Piece


def entries(of: Format, texts: Iterable[bytes | str | dict[str, Any] | list[Any]], name: str = "file") -> list[dict]:
    """The entries that lines, or documents, make, in the order in which their recordings were first met."""
    gathered: dict[str, list[Piece]] = {}
    for text in texts:
        for piece in of.pieces(as_bytes(text), name):
            assert type(piece.recording) is str
            gathered.setdefault(piece.recording, []).append(Piece(*orjson.loads(orjson.dumps(list(piece)))))
    return [of.entry(recording, pieces) for recording, pieces in gathered.items()]


def fault(of: Format, *texts: bytes | str | dict[str, Any] | list[Any]) -> tuple[str, str]:
    """The reason and the detail of the fault that lines, or documents, have."""
    with pytest.raises(BadEntry) as raised:
        entries(of, texts)
    return raised.value.reason.value, raised.value.detail


def as_bytes(text: bytes | str | dict[str, Any] | list[Any]) -> bytes:
    if isinstance(text, str):
        return text.encode()
    return text if isinstance(text, bytes) else orjson.dumps(text)


def json_values(names: list[str], texts: list[str]) -> st.SearchStrategy[Any]:
    """JSON values of any form, whose objects have fields of these names, and of which some strings are these."""
    plain = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.sampled_from(["", "a", *texts])
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner),
        max_leaves=20,
    )


def check_entry_or_fault(of: Format, value: Any) -> None:
    """Checks that a text that holds this is a fault, or makes entries that the main job can parse."""
    try:
        made = entries(of, [orjson.dumps(value)])
    except BadEntry:
        return
    for entry in made:
        recording = parse_recording({**entry, "audio_sample_rate": 1})
        assert recording.starts == sorted(recording.starts)
