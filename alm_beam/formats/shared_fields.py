"""What lines of one recording say of the recording, told apart from what they say of their segment."""

from collections.abc import Iterable
from typing import Any


def take_shared(segments: list[dict[str, Any]], names: Iterable[str]) -> dict[str, Any]:
    """Takes fields from the segments that all of those that have them agree on, and gives them.

    Args:
        segments: they are changed.
        names: the fields that may be taken.

    >>> segments = [{"start": 0, "rate": 8000, "id": 1}, {"start": 2, "rate": 8000, "id": 2}, {"start": 4}]
    >>> take_shared(segments, ["rate", "id"]), segments
    ({'rate': 8000}, [{'start': 0, 'id': 1}, {'start': 2, 'id': 2}, {'start': 4}])
    """
    shared = {}
    for name in names:
        stated = [segment[name] for segment in segments if segment.get(name) is not None]
        if stated and stated.count(stated[0]) == len(stated):
            shared[name] = stated[0]
            for segment in segments:
                segment.pop(name, None)
    return shared
