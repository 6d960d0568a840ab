"""What reads audio, whatever the library: the shape that all of them have."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float32]


class UnknownToLibraryError(Exception):
    """A library cannot read this file. The text says why."""


class AudioReader(ABC):
    """An open audio file.

    Attributes:
        sample_rate: Hz; of Opus in Ogg the rate that its encoder was given, of Opus elsewhere 48000.
        channels: how many.
        frames: samples per channel; None where only decoding tells.
    """

    sample_rate: int
    channels: int
    frames: int | None

    @abstractmethod
    def blocks(self, frames: int, start: int = 0, stop: int | None = None) -> Iterator[Block]:
        """The samples from `start` on and before `stop`, in blocks of so many, the last one mostly of fewer.

        Args:
            frames: samples per channel in a block.
            start: samples per channel from the beginning of the file.
            stop: likewise; None: to the end.

        Yields:
            float32 [samples, channels]; full scale is 1. A block is valid until the next one is asked for.

        Raises:
            BadEntry: the file ends too early, or is damaged.
            OSError: its store fails.
        """

    @abstractmethod
    def counted_frames(self) -> int:
        """Samples per channel, counted where the header does not tell: this may read all of the file.

        Raises:
            BadEntry: the file ends too early, or is damaged.
            OSError: its store fails.
        """

    def check_whole(self) -> None:  # noqa: B027
        """Checks all of the file for damage that its decoder would pass over in silence, if that is known to do so.

        To be called before all blocks are read: a remote file is copied for it, and then read from the copy.

        Raises:
            BadEntry: it is damaged.
            OSError: its store fails, or the copy cannot be written.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends reading."""
