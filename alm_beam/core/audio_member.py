"""Where the audio of a window stands in a shard: what the window's line in `cuts-*.jsonl` says of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from alm_beam.core.faults import described

FIELD = "audio_member"
"""The custom field of a cut that holds it."""


class AudioMember(NamedTuple):
    """The encoded audio of a window, in a file of a shard.

    Attributes:
        file: its path from the folder of the run.
        offset: of its first byte in the file; in parquet, the number of its row.
        bytes: how many.
        digest: of these bytes: 32 hexadecimal digits of XXH3.

    >>> member = AudioMember("shar/recording.000000.tar", 512, 48044, "f" * 32)
    >>> AudioMember.of({"custom": {FIELD: member.to_dict()}}) == member
    True
    """

    file: str
    offset: int
    bytes: int
    digest: str

    @property
    def is_row(self) -> bool:
        """Whether it is a row of a parquet file, and no run of bytes.

        >>> AudioMember("parquet/corpus=a/split=train/language=en/part-00000.parquet", 7, 48044, "f" * 32).is_row
        True
        """
        return self.file.endswith(".parquet")

    def to_dict(self) -> dict[str, Any]:
        """As a cut states it."""
        return self._asdict()

    @classmethod
    def of(cls, cut: Mapping[str, Any]) -> "AudioMember | None":
        """What a cut states of it; None where it states nothing.

        Raises:
            ValueError: it is malformed, or leads out of the folder.
        """
        custom = cut.get("custom")
        stated = custom.get(FIELD) if type(custom) is dict else None
        if stated is None:
            return None
        if type(stated) is not dict or stated.keys() != {*cls._fields}:
            raise ValueError(f"custom.{FIELD}: expected an object of {', '.join(cls._fields)}, {described(stated)}")
        member = cls(**stated)
        is_inside = type(member.file) is str and not {"", ".", ".."} & {*member.file.split("/")}
        numbers = (member.offset, member.bytes)
        if (
            not is_inside
            or any(type(each) is not int or each < 0 for each in numbers)
            or type(member.digest) is not str
        ):
            raise ValueError(f"custom.{FIELD}: {stated} names no bytes of a file of this folder")
        return member
