"""What an epoch of planned batches looks like: figures alone, which a report shows."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

BYTES_PER_SAMPLE = 4
"""Batches are float32."""


class BucketOutline(NamedTuple):
    """The batches of a bucket, of all ranks.

    Attributes:
        longest: samples of its longest windows at most.
        size: windows of a batch.
        steps: how many steps have batches of it.
        windows: in these batches.
        samples: of these windows.
        padded_samples: of these batches, padding included.
    """

    longest: int
    size: int
    steps: int
    windows: int
    samples: int
    padded_samples: int


class BatchOutline(NamedTuple):
    """A batch.

    Attributes:
        step: number of its step, from 0.
        rank: whose it is.
        windows: in it.
        longest: samples of its longest window, to which the others are padded.
    """

    step: int
    rank: int
    windows: int
    longest: int

    @property
    def padded_samples(self) -> int:
        """Samples of the batch, padding included."""
        return self.windows * self.longest


class LargestBatches(NamedTuple):
    """The batches of an epoch that need most memory, each by another measure.

    Attributes:
        samples: the one with most samples, padding included.
        longest: the one with the longest window.
        windows: the one with most windows.
    """

    samples: BatchOutline
    longest: BatchOutline
    windows: BatchOutline


class LengthBin(NamedTuple):
    """Windows of similar lengths.

    Attributes:
        begin: seconds; windows are at least so long.
        end: seconds; windows are shorter.
        windows: how many.
        seconds: of all of them.
    """

    begin: float
    end: float
    windows: int
    seconds: float


class LastStep(NamedTuple):
    """The last step, in which batches may be smaller than in others.

    Attributes:
        windows: of all ranks.
        full: windows that it has room for.
        empty: ranks that have no window.
    """

    windows: int
    full: int
    empty: int


class BudgetOutline(NamedTuple):
    """A size of batches to try, and the batches that it gives.

    Attributes:
        max_num_elements: samples of a batch at most; None where its windows are counted.
        batch_size: windows of a batch; None where its samples are counted.
        steps: of an epoch.
        fewest: windows of the smallest batches, those of the longest windows.
        most: windows of the largest batches, those of the shortest windows.
        padded_samples: of a batch at most, padding included.
    """

    max_num_elements: int | None
    batch_size: int | None
    steps: int
    fewest: int
    most: int
    padded_samples: int


@dataclass(frozen=True)
class EpochOutline:
    """What an epoch looks like. Windows and hours are those of all ranks.

    Attributes:
        sample_rate: Hz, at which samples are counted.
        world_size: number of ranks.
        epoch: from 0.
        source_windows: of the sources.
        source_seconds: of them.
        shorter: windows that are left out of all epochs, as they are too short.
        longer: windows that are left out of all epochs, as they are too long.
        left_out_seconds: of these.
        steps: batches of each rank.
        windows: in batches.
        samples: of these windows.
        padded_samples: of all batches, padding included.
        dropped: windows that are left out of this epoch, as they do not fill a step.
        dropped_samples: of them.
        most_samples: of a batch at most, padding included, in any epoch.
        largest: the batches that need most memory; None if there is no step.
        last_step: the last step; None if there is none.
        buckets: by length.
        lengths: a histogram of the windows that are not left out, by length.
        budgets: sizes of batches to try in turn, ascending.
    """

    sample_rate: int
    world_size: int
    epoch: int
    source_windows: int
    source_seconds: float
    shorter: int
    longer: int
    left_out_seconds: float
    steps: int
    windows: int
    samples: int
    padded_samples: int
    dropped: int
    dropped_samples: int
    most_samples: int
    largest: LargestBatches | None
    last_step: LastStep | None
    buckets: tuple[BucketOutline, ...]
    lengths: tuple[LengthBin, ...]
    budgets: tuple[BudgetOutline, ...]

    @property
    def batches(self) -> int:
        """Batches of all ranks that have a window."""
        return self.steps * self.world_size - (self.last_step.empty if self.last_step else 0)

    @property
    def padding(self) -> float:
        """The share of padding in all batches."""
        return padding(self.samples, self.padded_samples)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON; lengths in samples and in bytes."""
        figures = asdict(self)
        figures["batches"], figures["padding"] = self.batches, self.padding
        figures["most_bytes"] = BYTES_PER_SAMPLE * self.most_samples
        figures["largest"] = self.largest and {
            name: {
                **batch._asdict(),
                "padded_samples": batch.padded_samples,
                "bytes": BYTES_PER_SAMPLE * batch.padded_samples,
            }
            for name, batch in self.largest._asdict().items()
        }
        figures["last_step"] = self.last_step and self.last_step._asdict()
        figures["buckets"] = [
            {**each._asdict(), "padding": padding(each.samples, each.padded_samples)} for each in self.buckets
        ]
        figures["lengths"] = [each._asdict() for each in self.lengths]
        figures["budgets"] = [
            {**each._asdict(), "bytes": BYTES_PER_SAMPLE * each.padded_samples} for each in self.budgets
        ]
        return figures


def padding(samples: int, padded_samples: int) -> float:
    """The share of padding.

    >>> padding(75, 100)
    0.25
    """
    return 1 - samples / padded_samples if padded_samples else 0.0
