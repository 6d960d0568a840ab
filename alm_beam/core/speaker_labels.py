"""The label of a segment's speaker, and labels that name several speakers."""

from collections.abc import Iterable
from typing import TypeAlias

NO_SPEAKER = "no-speaker"
"""The label of a segment that diarization assigned to nobody. No window contains such a segment."""

SpeakerLabel: TypeAlias = str | int | tuple[str, ...] | None
"""Who speaks in a segment: one speaker, nobody who is known (None), or several speakers, all distinct."""


def split_labels(labels: Iterable[SpeakerLabel], separator: str) -> list[SpeakerLabel]:
    """The labels, where those that contain the separator name all the speakers between.

    Spaces around a name do not count, nor do empty names, names that come again, and `no-speaker` beside others. What
    names one speaker only is the label of that speaker.

    >>> split_labels(["a", "b, a", "a,no-speaker", "no-speaker,no-speaker", ",", 3, None], ",")
    ['a', ('b', 'a'), 'a', 'no-speaker', None, 3, None]
    """
    labels = list(labels)
    split: dict[SpeakerLabel, SpeakerLabel] = {
        label: _split(label, separator) for label in set(labels) if type(label) is str and separator in label
    }
    return [split.get(label, label) for label in labels] if split else labels


def names_in(label: SpeakerLabel) -> tuple[str | int, ...]:
    """The speakers whom a label names.

    >>> names_in("anna"), names_in(("anna", "ben")), names_in(None)
    (('anna',), ('anna', 'ben'), ())
    """
    if label is None:
        return ()
    return label if isinstance(label, tuple) else (label,)


def distinct_names(labels: Iterable[SpeakerLabel]) -> dict[str | int, None]:
    """The speakers whom labels name, each once, in order of first appearance.

    >>> list(distinct_names(["ben", ("anna", "ben"), None, 7]))
    ['ben', 'anna', 7]
    """
    return dict.fromkeys(name for label in labels for name in names_in(label))


def has_joint_label(labels: Iterable[SpeakerLabel]) -> bool:
    """Whether any of the labels names several speakers.

    >>> has_joint_label(["anna", None]), has_joint_label(["anna", ("anna", "ben")])
    (False, True)
    """
    return tuple in map(type, labels)


def _split(label: str, separator: str) -> SpeakerLabel:
    has_no_speaker = False
    if separator in NO_SPEAKER:  # it is no name of several parts
        has_no_speaker = NO_SPEAKER in label
        label = label.replace(NO_SPEAKER, separator)
    names = dict.fromkeys(filter(None, map(str.strip, label.split(separator))))
    has_no_speaker = names.pop(NO_SPEAKER, "") is None or has_no_speaker
    if len(names) > 1:
        return tuple(names)
    return next(iter(names), NO_SPEAKER if has_no_speaker else None)
