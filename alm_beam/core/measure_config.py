"""What a run of the job is told that measures audio."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from alm_beam.core.parameter_fields import max_line_bytes, optional_folder, switch
from alm_beam.core.parameters import check_fields
from alm_beam.core.run_config import RunConfig


@dataclass(frozen=True)
class AudioConfig:
    """Where the audio of entries is, and what of it is measured.

    >>> AudioConfig(levels=True).bandwidth
    True

    Raises:
        ConfigError: a value is out of its range.
    """

    audio_root: str | None = optional_folder(
        "folder that relative paths of audio files are below, a path or any fsspec URL",
        label="Folder of the audio",
        without="the working directory",
    )
    bandwidth: bool = switch(
        True,
        "measure the bandwidth of the segments that state none; without this, only the headers of audio files are read",
        label="Measure bandwidths",
    )
    levels: bool = switch(
        False,
        "measure how loud each segment is (RMS and peak, in dBFS), and the share of its samples that are clipped",
        label="Measure levels",
    )
    max_line_bytes: int = max_line_bytes()

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class MeasureConfig(RunConfig):
    """Everything that a run of the job is told that measures audio.

    >>> MeasureConfig.of({"input": "manifests/", "output": "measured", "levels": True}).audio.levels
    True

    Raises:
        ConfigError: a value is out of its range.
    """

    audio: AudioConfig = AudioConfig()

    parts: ClassVar[Mapping[str, tuple[str, type]]] = {"audio": ("audio", AudioConfig)}
