"""What every job is told: what it reads, where it writes, and when it fails."""

import difflib
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, TypeVar

from alm_beam.core.parameter_fields import number, secret_object, switch, whole
from alm_beam.core.parameters import HIDDEN, ConfigError, Parameter, about, check_fields, parameters_of
from alm_beam.core.path_parameters import Folder, Paths

_Config = TypeVar("_Config", bound="RunConfig")


@dataclass(frozen=True)
class RunConfig:
    """What every job is told. A job's own configuration is a kind of it, and has parts that are configurations.

    Attributes:
        parts: its fields that hold configurations, each with the title under which help lists its parameters, and its
            class.

    >>> RunConfig.of({"input": ["a.jsonl", "b.jsonl"], "output": "out"}).input
    ('a.jsonl', 'b.jsonl')

    Raises:
        ConfigError: a value is out of its range.
    """

    input: tuple[str, ...] = field(
        metadata=about(
            Paths(
                help="a manifest, a folder (searched recursively for .jsonl and .json, also with .gz, .zst or .bz2) "
                "or a glob, as a path or any fsspec URL; separate several by commas, or repeat the flag; a file that "
                "is named twice is read twice",
                label="Manifests",
                metavar="PATH",
                is_required=True,
            )
        )
    )
    output: str = field(
        metadata=about(
            Folder(
                help="folder to write to, a path or any fsspec URL",
                label="Output folder",
                metavar="DIR",
                is_required=True,
            )
        )
    )
    _: KW_ONLY
    num_shards: int = whole(
        0,
        "number of output shards; if it is not 0, a local runner holds the whole output in memory",
        label="Number of output shards",
        at_least=0,
        zero="the runner decides",
    )
    overwrite: bool = switch(
        False,
        "replace a finished run in the output folder; without this, such a folder is refused",
        label="Replace a finished run",
    )
    max_reject_fraction: float = number(
        0.01,
        "fail the run if more than this share of the entries cannot be used",
        label="Greatest share of rejects",
        unit="fraction",
        at_least=0,
        at_most=1,
    )
    storage_options: Mapping[str, Any] = secret_object(
        'fsspec\'s options for the URLs: `{"<option>": value}`, or `{"<protocol>": {"<option>": value}}`; never shown',
        label="Options of the filesystems",
    )

    parts: ClassVar[Mapping[str, tuple[str, type]]] = {}

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def of(cls: type[_Config], parameters: Mapping[str, Any]) -> _Config:
        """Makes a configuration from values by the names of their flags. A value that is not given has its default.

        Values are Python's or a configuration file's: a set of names may be a list or comma-separated text, and so may
        `input`. A parameter whose default is another's value, or no value, may be None.

        >>> from alm_beam.core.config import JobConfig
        >>> JobConfig.of({"input": ["a.jsonl", "b.jsonl"], "output": "out", "drop_fields": "words,text"}).input
        ('a.jsonl', 'b.jsonl')
        >>> JobConfig.of({"input": "a.jsonl", "output": "out", "target_windw_duration": 60})
        Traceback (most recent call last):
        alm_beam.core.parameters.ConfigError: target_windw_duration: is no parameter (did you mean \
target_window_duration?)

        Raises:
            ConfigError: a value is out of its range, a name is unknown, or `input` or `output` is missing.
        """
        known = cls.every_parameter()
        for name in parameters.keys() - known.keys():
            nearest = difflib.get_close_matches(name.lower(), known, n=1)
            advice = f" (did you mean {nearest[0]}?)" if nearest else ""
            raise ConfigError(name, HIDDEN, f"is no parameter{advice}")
        for name, parameter in known.items():
            if parameter.is_required and name not in parameters:
                raise ConfigError(name, HIDDEN, f"is missing; it must be {parameter.allowed}")

        def part(config: type) -> dict[str, Any]:
            return {name: parameters[name] for name in parameters_of(config) if name in parameters}

        return cls(**part(cls), **{name: kind(**part(kind)) for name, (_, kind) in cls.parts.items()})

    @classmethod
    def groups(cls) -> Mapping[str, type]:
        """The configurations that hold the parameters of the job, by the title under which help and docs list them."""
        return {"files": cls, **dict(cls.parts.values())}

    @classmethod
    def every_parameter(cls) -> Mapping[str, Parameter]:
        """Every parameter of the job, by name."""
        return {name: each for config in cls.groups().values() for name, each in parameters_of(config).items()}

    def parameters(self) -> dict[str, Any]:
        """The values by the names of their flags, as `of` takes them. Those that may hold secrets are left out."""
        return {
            name: getattr(config, name)
            for config in (self, *(getattr(self, part) for part in self.parts))
            for name, parameter in parameters_of(type(config)).items()
            if not parameter.is_secret
        }
