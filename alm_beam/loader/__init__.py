"""Reads windows for training: every window once in an epoch, shuffled, divided among ranks and workers, resumable.

It needs NumPy, but neither Beam nor torch. `alm_beam.loader.dataset.WindowDataset` is the same for torch's DataLoader.
"""

from alm_beam.loader.audio import Audio
from alm_beam.loader.batching.batch_loader import BatchLoader
from alm_beam.loader.batching.bucket_sizes import create_bucket_sizes
from alm_beam.loader.batching.buckets import Bucket
from alm_beam.loader.batching.collate import Batch, collate, collate_tensors
from alm_beam.loader.batching.largest_batches import largest_batches, largest_budget
from alm_beam.loader.batching.stream_batches import StreamBatches
from alm_beam.loader.batching.stream_config import StreamConfig
from alm_beam.loader.batching.stream_mixture import MixtureStream
from alm_beam.loader.batching.window_batches import WindowBatches
from alm_beam.loader.batching.windows import Windows
from alm_beam.loader.loader import WindowIterator, WindowLoader
from alm_beam.loader.mixture import WeightError
from alm_beam.loader.mixture_weights import mixture_sources
from alm_beam.loader.partition import Partition, PartitionError
from alm_beam.loader.reader import Reader, WindowError
from alm_beam.loader.sources import Source, SourceError
from alm_beam.loader.state import StateError, merge_states
from alm_beam.loader.tokens import Token

__all__ = [
    "Audio",
    "Batch",
    "BatchLoader",
    "Bucket",
    "MixtureStream",
    "Partition",
    "PartitionError",
    "Reader",
    "Source",
    "SourceError",
    "StateError",
    "StreamBatches",
    "StreamConfig",
    "Token",
    "WeightError",
    "WindowBatches",
    "WindowError",
    "WindowIterator",
    "WindowLoader",
    "Windows",
    "collate",
    "collate_tensors",
    "create_bucket_sizes",
    "largest_batches",
    "largest_budget",
    "merge_states",
    "mixture_sources",
]
