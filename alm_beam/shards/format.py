"""What the formats of shards have in common: the windows that go into a shard, and what writes them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from alm_beam.core.audio_member import AudioMember


class Output(Protocol):
    """A file that is written from beginning to end."""

    def write(self, data: bytes, /) -> object:
        """Adds the bytes."""


OpenOutput = Callable[[str], AbstractContextManager[Output]]
"""Opens a file by its path from the folder of the run. It is in place, whole, when the context ends well."""


ReadFile = Callable[[str], Iterator[bytes]]
"""Reads a file by its path from the folder of the run, in pieces."""


class Partition(NamedTuple):
    """What parquet is partitioned by; all windows of a shard have it in common there.

    Attributes:
        corpus: name of the corpus.
        split: name of the split.
        language: of the speech.
    """

    corpus: str = ""
    split: str = ""
    language: str = ""


class SlicedWindow(NamedTuple):
    """A window with its own audio.

    Attributes:
        cut: the fields of its Lhotse cut, which still name the recording that it was sliced from. They are not changed.
        name: what its files are called, without an ending: unique in the run, and safe: ASCII letters, digits, `-` and
            `_` alone, 100 characters at most together with any ending.
        audio: encoded.
        ending: `flac`, `wav` or `opus`.
        sample_rate: Hz.
        channels: how many.
        samples: per channel.
        language: of the speech.
    """

    cut: dict[str, Any]
    name: str
    audio: bytes
    ending: str
    sample_rate: int
    channels: int
    samples: int
    language: str


class ShardWriter(ABC):
    """Writes one shard, a window after the other. Nothing is in place before `finish` has returned.

    The same windows give the same bytes.
    """

    @abstractmethod
    def add(self, window: SlicedWindow) -> AudioMember:
        """Adds a window, and tells where its audio stands.

        Raises:
            BadEntry: the cut cannot be written. The shard is as it was before, and may go on.
        """

    @abstractmethod
    def finish(self) -> list[str]:
        """Ends the shard: the paths, from the folder of the run, of its files, which are in place."""

    @abstractmethod
    def abandon(self) -> None:
        """Ends the shard without it: nothing of it is in place. After `finish`, it does nothing."""


class ShardFormat(ABC):
    """A format of shards.

    Attributes:
        folders: the folders of the run that its files stand in, and nothing else does.
        is_partitioned: whether all windows of a shard have to be of one `Partition`.
    """

    folders: tuple[str, ...]
    is_partitioned: bool = False

    @abstractmethod
    def writer(self, number: int, count: int, partition: Partition, opened: OpenOutput) -> ShardWriter:
        """What writes a shard.

        Args:
            number: of the shard, from 0.
            count: of the shards of the run.
            partition: of its windows; empty unless the format is partitioned.
            opened: opens the files of the shard.
        """

    def whole(self, shards: Sequence[Sequence[str]], read: ReadFile, opened: OpenOutput) -> list[str]:
        """Writes what a run has once, as soon as all of its shards are there; the paths of these files.

        Args:
            shards: for each shard the paths of its files, as `finish` gave them.
            read: gives the content of a file of a shard, in pieces.
            opened: opens the files.
        """
        return []
