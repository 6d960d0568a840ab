"""Training windows for audio language models from diarized speech, as an Apache Beam batch job.

The names below are loaded when they are first used: importing this package imports neither Beam nor NumPy.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from alm_beam.core.config import ConfigError as ConfigError
    from alm_beam.core.config import EntryConfig as EntryConfig
    from alm_beam.core.config import JobConfig as JobConfig
    from alm_beam.core.config import ManifestConfig as ManifestConfig
    from alm_beam.core.config import OverlapConfig as OverlapConfig
    from alm_beam.core.config import WindowConfig as WindowConfig
    from alm_beam.core.cuts import to_cuts as to_cuts
    from alm_beam.core.entries import to_entry as to_entry
    from alm_beam.core.errors import RejectLimitError as RejectLimitError
    from alm_beam.core.errors import RunError as RunError
    from alm_beam.core.errors import StatisticsError as StatisticsError
    from alm_beam.core.faults import BadEntry as BadEntry
    from alm_beam.core.faults import RejectReason as RejectReason
    from alm_beam.core.loss_stats import loss_stats as loss_stats
    from alm_beam.core.losses import LossStats as LossStats
    from alm_beam.core.manifest import ManifestLine as ManifestLine
    from alm_beam.core.manifest import Recording as Recording
    from alm_beam.core.manifest import Reject as Reject
    from alm_beam.core.manifest import parse_recording as parse_recording
    from alm_beam.core.measure_config import AudioConfig as AudioConfig
    from alm_beam.core.measure_config import MeasureConfig as MeasureConfig
    from alm_beam.core.measure_stats import MeasureStats as MeasureStats
    from alm_beam.core.overlap import KeptWindows as KeptWindows
    from alm_beam.core.overlap import filter_overlaps as filter_overlaps
    from alm_beam.core.shards_config import LayoutConfig as LayoutConfig
    from alm_beam.core.shards_config import ShardsConfig as ShardsConfig
    from alm_beam.core.shards_config import SliceConfig as SliceConfig
    from alm_beam.core.shards_stats import ShardsStats as ShardsStats
    from alm_beam.core.sweep_config import SweepConfig as SweepConfig
    from alm_beam.core.sweep_stats import SweepStats as SweepStats
    from alm_beam.core.window import Window as Window
    from alm_beam.core.windows import CandidateWindows as CandidateWindows
    from alm_beam.core.windows import build_windows as build_windows
    from alm_beam.jobs.launch import OptionsError as OptionsError
    from alm_beam.jobs.measure import measure as measure
    from alm_beam.jobs.shards import build_shards as build_shards
    from alm_beam.jobs.sweep import sweep as sweep
    from alm_beam.jobs.windows import run as run
    from alm_beam.loader.batching.batch_loader import BatchLoader as BatchLoader
    from alm_beam.loader.batching.bucket_sizes import create_bucket_sizes as create_bucket_sizes
    from alm_beam.loader.batching.collate import Batch as Batch
    from alm_beam.loader.batching.collate import collate as collate
    from alm_beam.loader.batching.collate import collate_tensors as collate_tensors
    from alm_beam.loader.batching.largest_batches import largest_batches as largest_batches
    from alm_beam.loader.batching.largest_batches import largest_budget as largest_budget
    from alm_beam.loader.batching.plan_config import PlanConfig as PlanConfig
    from alm_beam.loader.batching.stream_batches import StreamBatches as StreamBatches
    from alm_beam.loader.batching.stream_config import StreamConfig as StreamConfig
    from alm_beam.loader.batching.stream_mixture import MixtureStream as MixtureStream
    from alm_beam.loader.batching.window_batches import WindowBatches as WindowBatches
    from alm_beam.loader.batching.windows import Windows as Windows
    from alm_beam.loader.dataset import WindowDataset as WindowDataset
    from alm_beam.loader.loader import WindowLoader as WindowLoader
    from alm_beam.loader.mixture_weights import mixture_sources as mixture_sources
    from alm_beam.loader.partition import Partition as Partition
    from alm_beam.loader.sources import Source as Source
    from alm_beam.loader.state import StateError as StateError
    from alm_beam.loader.state import merge_states as merge_states
    from alm_beam.storage.discovery import InputError as InputError
    from alm_beam.storage.index.build import build_index as build_index
    from alm_beam.storage.index.format import IndexFault as IndexFault
    from alm_beam.storage.index.open import open_index as open_index
    from alm_beam.storage.lines import ManifestReadError as ManifestReadError
    from alm_beam.storage.lines import read_manifests as read_manifests
    from alm_beam.storage.options import StorageOptionsError as StorageOptionsError
    from alm_beam.storage.staged_run import ReplacedError as ReplacedError
    from alm_beam.transforms.read import ReadManifests as ReadManifests
    from alm_beam.transforms.recordings import BuildWindows as BuildWindows
    from alm_beam.transforms.recordings import FilterOverlaps as FilterOverlaps
    from alm_beam.transforms.recordings import MadeWindows as MadeWindows
    from alm_beam.transforms.recordings import MakeWindows as MakeWindows
    from alm_beam.transforms.recordings import ParseRecording as ParseRecording
    from alm_beam.transforms.recordings import ToCuts as ToCuts
    from alm_beam.transforms.recordings import ToEntries as ToEntries
    from alm_beam.transforms.write import LineSink as LineSink
    from alm_beam.transforms.write import ShardSink as ShardSink
    from alm_beam.transforms.write import WriteShards as WriteShards

_NAMES = {
    "core.config": ("ConfigError", "EntryConfig", "JobConfig", "ManifestConfig", "OverlapConfig", "WindowConfig"),
    "core.cuts": ("to_cuts",),
    "core.entries": ("to_entry",),
    "core.errors": ("RejectLimitError", "RunError", "StatisticsError"),
    "core.loss_stats": ("loss_stats",),
    "core.losses": ("LossStats",),
    "core.faults": ("BadEntry", "RejectReason"),
    "core.manifest": ("ManifestLine", "Recording", "Reject", "parse_recording"),
    "core.measure_config": ("AudioConfig", "MeasureConfig"),
    "core.measure_stats": ("MeasureStats",),
    "core.overlap": ("KeptWindows", "filter_overlaps"),
    "core.shards_config": ("LayoutConfig", "ShardsConfig", "SliceConfig"),
    "core.shards_stats": ("ShardsStats",),
    "core.sweep_config": ("SweepConfig",),
    "core.sweep_stats": ("SweepStats",),
    "core.window": ("Window",),
    "core.windows": ("CandidateWindows", "build_windows"),
    "jobs.launch": ("OptionsError",),
    "jobs.measure": ("measure",),
    "jobs.shards": ("build_shards",),
    "jobs.sweep": ("sweep",),
    "jobs.windows": ("run",),
    "loader.batching.batch_loader": ("BatchLoader",),
    "loader.batching.collate": ("Batch", "collate", "collate_tensors"),
    "loader.batching.bucket_sizes": ("create_bucket_sizes",),
    "loader.batching.largest_batches": (
        "largest_batches",
        "largest_budget",
    ),
    "loader.batching.plan_config": ("PlanConfig",),
    "loader.batching.stream_batches": ("StreamBatches",),
    "loader.batching.stream_config": ("StreamConfig",),
    "loader.batching.stream_mixture": ("MixtureStream",),
    "loader.mixture_weights": ("mixture_sources",),
    "loader.batching.window_batches": ("WindowBatches",),
    "loader.batching.windows": ("Windows",),
    "loader.dataset": ("WindowDataset",),
    "loader.loader": ("WindowLoader",),
    "loader.partition": ("Partition",),
    "loader.sources": ("Source",),
    "loader.state": ("StateError", "merge_states"),
    "storage.discovery": ("InputError",),
    "storage.index.build": ("build_index",),
    "storage.index.format": ("IndexFault",),
    "storage.index.open": ("open_index",),
    "storage.lines": ("ManifestReadError", "read_manifests"),
    "storage.options": ("StorageOptionsError",),
    "storage.staged_run": ("ReplacedError",),
    "transforms.read": ("ReadManifests",),
    "transforms.recordings": (
        "BuildWindows",
        "FilterOverlaps",
        "MadeWindows",
        "MakeWindows",
        "ParseRecording",
        "ToCuts",
        "ToEntries",
    ),
    "transforms.write": ("LineSink", "ShardSink", "WriteShards"),
}
"""The public names, by the module that each is in."""

_MODULE_OF = {name: f"alm_beam.{module}" for module, names in _NAMES.items() for name in names}

__all__ = sorted(_MODULE_OF)


if not TYPE_CHECKING:  # for which any name would be there

    def __getattr__(name: str) -> Any:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(_MODULE_OF[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
