"""What a run of the job is told that writes audio shards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from alm_beam.core.parameter_fields import choice, number, optional_folder, optional_text, whole
from alm_beam.core.parameters import ConfigError, about, check_fields
from alm_beam.core.path_parameters import Paths
from alm_beam.core.run_config import RunConfig

WINDOWS_PER_SHARD = 100
"""Windows of a shard where nothing else is said: some 200 MB of FLAC at 16 kHz."""


@dataclass(frozen=True)
class LayoutConfig:
    """How windows are laid out in shards.

    >>> LayoutConfig(format="webdataset").order
    'recording'

    Raises:
        ConfigError: a value is out of its range.
    """

    format: str = choice(
        "shar",
        "format of the shards: Lhotse Shar, NeMo's tarred data sets, WebDataset, or the parquet of Omnilingual",
        label="Format of the shards",
        options=("shar", "nemo", "webdataset", "parquet"),
    )
    windows_per_shard: int = whole(
        0,
        "windows of a shard at most; shards of a run have about as many windows each",
        label="Windows per shard",
        at_least=0,
        zero=f"{WINDOWS_PER_SHARD}, or as many as --shard_bytes allows",
    )
    shard_bytes: int = whole(
        0,
        "bytes of audio of a shard at most, as if it were written in 16-bit WAV; FLAC takes about half of that",
        label="Bytes per shard",
        at_least=0,
        at_most=10**12,
        zero="only the number of windows counts",
        metavar="BYTES",
    )
    order: str = choice(
        "recording",
        "order of the windows: each recording's together, for which its audio is decoded once, or shuffled, for "
        "trainers that read shards from front to back",
        label="Order of the windows",
        options=("recording", "shuffled"),
    )
    seed: int = whole(0, "of the shuffled order", label="Seed of the order", at_least=0, metavar="S")
    corpus: str | None = optional_text(
        "name of the corpus, by which parquet is partitioned",
        label="Corpus",
        metavar="NAME",
        without="what each cut states as corpus or source, or else unknown",
    )
    split: str | None = optional_text(
        "name of the split, by which parquet is partitioned",
        label="Split",
        metavar="NAME",
        without="what each cut states as split, or else train",
    )
    language: str | None = optional_text(
        "language of the speech, by which parquet is partitioned, and which NeMo's manifests state",
        label="Language",
        metavar="NAME",
        without="what each cut or its supervisions state as language or lang, or else unknown",
    )

    def __post_init__(self) -> None:
        check_fields(self)


OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
"""Hz, that encoders of Opus take."""


@dataclass(frozen=True)
class SliceConfig:
    """Where the audio of cuts is, and what is made of it.

    >>> SliceConfig(sample_rate=16000).audio_format
    'flac'

    Raises:
        ConfigError: a value is out of its range.
    """

    audio_root: str | None = optional_folder(
        "folder that relative paths of audio files are below, a path or any fsspec URL",
        label="Folder of the audio",
        without="the folder of the cuts, or else the working directory",
    )
    audio_format: str = choice(
        "flac", "format of the audio in the shards", label="Format of the audio", options=("flac", "wav", "opus")
    )
    sample_rate: int = whole(
        0,
        "sample rate of the audio in the shards, Hz; opus takes 8000, 12000, 16000, 24000 and 48000",
        label="Sample rate",
        at_least=0,
        at_most=768_000,
        zero="that of each file; with opus the next that it takes",
        metavar="HZ",
    )
    channels: str = choice(
        "mono",
        "channels of the audio in the shards: mono, the mean of a cut's channels, or keep, each channel of a cut",
        label="Channels",
        options=("mono", "keep"),
    )
    pad: float = number(
        0.1,
        "a window whose audio ends too early by less than this is padded with silence, and rejected otherwise",
        label="Padding",
        unit="seconds",
        at_least=0,
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.audio_format == "opus" and self.sample_rate not in (0, *OPUS_RATES):
            rates = ", ".join(map(str, OPUS_RATES))
            raise ConfigError("sample_rate", self.sample_rate, f"is none that opus takes, which are {rates}")


@dataclass(frozen=True)
class ShardsConfig(RunConfig):
    """Everything that a run of the job is told that writes audio shards.

    >>> ShardsConfig.of({"input": "windows/", "output": "shards", "format": "nemo"}).layout.format
    'nemo'

    Raises:
        ConfigError: a value is out of its range.
    """

    input: tuple[str, ...] = field(
        metadata=about(
            Paths(
                help="a folder that alm-beam windows wrote, or Lhotse's cuts: a file, a folder (searched for files of "
                "cuts, .jsonl with cuts in their names, also with .gz, .zst or .bz2) or a glob, as a path or any "
                "fsspec URL; separate several by commas, or repeat the flag",
                label="Cuts",
                metavar="PATH",
                is_required=True,
            )
        )
    )
    num_shards: int = field(default=0, init=False, repr=False)  # the layout says how many there are
    layout: LayoutConfig = LayoutConfig()
    audio: SliceConfig = SliceConfig()

    parts: ClassVar[Mapping[str, tuple[str, type]]] = {
        "layout": ("shards", LayoutConfig),
        "audio": ("audio", SliceConfig),
    }
