"""Training from the windows: an index, an order for each epoch, a part for each rank and worker, a state. No Beam."""

from alm_beam.loader.loader import Token, WindowIterator, WindowLoader
from alm_beam.loader.partition import Partition, PartitionError
from alm_beam.loader.reader import Reader, WindowError
from alm_beam.loader.sources import Source, SourceError
from alm_beam.loader.state import StateError, merge_states

__all__ = [
    "Partition",
    "PartitionError",
    "Reader",
    "Source",
    "SourceError",
    "StateError",
    "Token",
    "WindowError",
    "WindowIterator",
    "WindowLoader",
    "merge_states",
]
