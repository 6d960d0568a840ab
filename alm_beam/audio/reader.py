"""What reads audio, whatever the library: the shape that all of them have."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alm_beam.core.faults import BadEntry

Block = NDArray[np.float32]
Samples = NDArray[np.float32] | NDArray[np.int16]


class UnknownToLibraryError(Exception):
    """A library cannot read this file. The text says why."""


class Damage(NamedTuple):
    """A part of a file that is damaged.

    Attributes:
        start: samples per channel before it.
        stop: likewise, before what can be decoded again.
        fault: what is wrong.
    """

    start: int
    stop: int
    fault: BadEntry


class AudioReader(ABC):
    """An open audio file.

    Attributes:
        sample_rate: Hz; of Opus in Ogg the rate that its encoder was given, of Opus elsewhere 48000.
        channels: how many.
        frames: samples per channel; None where only decoding tells.
        bits: 24 where the samples are integers of more than 16 bits, otherwise 16.
        cut_off: the fault of a file that ends before its header says, if it was opened nonetheless.
        seeks: whether `blocks` reads a part without all that is before it.
        seeks_exactly: whether `exact_blocks` does.
    """

    sample_rate: int
    channels: int
    frames: int | None
    bits: int
    cut_off: BadEntry | None
    seeks: bool
    seeks_exactly: bool

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
    def exact_blocks(self, frames: int, start: int, stop: int | None = None) -> Iterator[Samples]:
        """The samples that all of the file has there, as decoders of some formats give others if they begin there.

        Args:
            frames: samples per channel in a block at most.
            start: samples per channel from the first one on that players have.
            stop: likewise; None: to the end.

        Yields:
            [samples, channels]: int16 where the file has integers of 16 bits at most, else as of `blocks`.

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

    def damages(self) -> list[Damage]:
        """The damaged parts, in their order, which the decoder would pass over in silence, if it is known to do so.

        To be called before blocks are read: a remote file is copied for it, and then read from the copy.

        Raises:
            BadEntry: where the damage is cannot be told.
            OSError: its store fails, or the copy cannot be written.
        """
        return []

    @abstractmethod
    def close(self) -> None:
        """Ends reading."""
