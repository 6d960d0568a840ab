"""A `pipeline.yaml` of NeMo Curator's ALM stages, and the parameters of the main job that mean the same.

The file is read by OmegaConf, as there, so that `${...}` and all values are what they are for Curator.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    ConfigIndexError,
    GrammarParseError,
    InterpolationKeyError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

from alm_beam.core.config_file import ConfigFileError, did_you_mean, line_of_error, problem_of
from alm_beam.core.curator_overrides import Override, override_of
from alm_beam.core.given import Given
from alm_beam.core.parameters import ConfigError, Parameter
from alm_beam.core.text import visible

READER, BUILDER, OVERLAP, WRITER = (
    "ManifestReader",
    "ALMDataBuilderStage",
    "ALMDataOverlapStage",
    "ManifestWriterStage",
)
_BUILDER_PARAMETERS = (
    "target_window_duration",
    "tolerance",
    "min_sample_rate",
    "min_bandwidth",
    "min_speakers",
    "max_speakers",
    "truncation",
    "drop_fields",
    "drop_fields_top_level",
)
_PARAMETERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    READER: {"manifest_path": ("input",), "storage_options": ("storage_options",)},
    BUILDER: {name: (name,) for name in _BUILDER_PARAMETERS},
    OVERLAP: {"overlap_percentage": ("overlap_percentage",), "target_duration": ("target_duration",)},
    WRITER: {"output_path": ("output", "entries_file")},
}
"""The keys of each stage, in the order of the stages, and the parameters that mean the same."""

_TARGET_DURATION = 120.0
"""Seconds: what Curator's overlap stage takes without `target_duration`. Ours would follow the builder's target."""

_EXTENSIONS = ([".jsonl", ".json"], [".json", ".jsonl"])
_WITHOUT_EFFECT = ("name", "batch_size", "resources", "num_workers", "_convert_", "_recursive_")
_OF_READER = ("files_per_partition", "blocksize")
_OF_HYDRA = re.compile(r"hydra[./]")
_VARIABLE = re.compile(r"Environment variable '[^']*' not found")
_INTERPOLATION = re.compile(r"\$\{\s*\.*([^${}:]+?)\s*\}")


class CuratorPipeline(NamedTuple):
    """What a pipeline states.

    Attributes:
        given: the parameters of the main job, by their names.
        ignored: the keys that change no result here, by their paths.
    """

    given: dict[str, Given]
    ignored: list[str]


def read_pipeline(
    text: str,
    file: str,
    overrides: Sequence[str],
    known: Mapping[str, Parameter],
    stated: Collection[str] = (),
) -> CuratorPipeline:
    """The parameters that a pipeline states.

    Args:
        text: the file's, YAML.
        file: its name in messages.
        overrides: as on Hydra's command line.
        known: the parameters of the main job, by their names.
        stated: the parameters that flags state: the pipeline need not.

    >>> from alm_beam.core.config import PARAMETERS
    >>> text = '''
    ... manifest_path: ???
    ... output_dir: out
    ... stages:
    ...   - {_target_: nemo_curator.stages.audio.ManifestReader, manifest_path: "${manifest_path}"}
    ...   - {_target_: nemo_curator.stages.audio.alm.ALMDataBuilderStage, min_speakers: 3}
    ...   - {_target_: nemo_curator.stages.audio.alm.ALMDataOverlapStage}
    ...   - {_target_: nemo_curator.stages.audio.ManifestWriterStage, output_path: "${output_dir}/all.jsonl"}
    ... '''
    >>> pipeline = read_pipeline(text, "pipeline.yaml", ["manifest_path=in.jsonl"], PARAMETERS)
    >>> {name: each.value for name, each in pipeline.given.items()}
    {'input': ('in.jsonl',), 'min_speakers': 3, 'output': 'out', 'entries_file': 'all.jsonl', 'target_duration': 120.0}

    Raises:
        ConfigFileError: it asks for what the main job has not, or a value is missing or wrong.
    """
    return _Reading(text, file, overrides, known, stated).pipeline()


class _Reading:
    """The reading of one pipeline."""

    def __init__(
        self,
        text: str,
        file: str,
        overrides: Sequence[str],
        known: Mapping[str, Parameter],
        stated: Collection[str],
    ):
        self._file = file
        self._known = known
        self._stated = {*stated}
        self._overridden = set[str]()
        self._given: dict[str, Given] = {}
        self._ignored: list[str] = []
        try:
            self._root: Any = OmegaConf.create(text)
        except OmegaConfBaseException as error:
            place = re.sub(r"\[(\d+)\]", r".\1", str(error.full_key or ""))
            raise ConfigFileError(f"{self._where(place) if place else file}: {_reason(error)}") from None
        except (yaml.YAMLError, RecursionError, ValueError, TypeError, AttributeError) as error:  # a tag may raise any
            raise ConfigFileError(f"{file}{line_of_error(error)}: is not YAML ({problem_of(error)})") from None
        self._used = {*self._names_in(OmegaConf.to_container(self._root, resolve=False))}
        for override in overrides:
            self._apply(override)
        self._raw: Any = OmegaConf.to_container(self._root, resolve=False)

    def pipeline(self) -> CuratorPipeline:
        stages = self._stages()
        self._check_hydra()
        self._check_defaults()
        used = {re.split(r"[.\[]", name)[0] for name in (*self._used, *self._names_in(self._raw))}
        own = {"stages", "manifest_path", "output_dir", *used}
        self._ignored += sorted({*map(str, self._raw)} - own)
        for number, stage in enumerate(stages):
            self._read_stage(f"stages.{number}", stage)
        if "target_duration" not in self._given:
            where = self._where(f"stages.{[*_PARAMETERS].index(OVERLAP)}.target_duration")
            self._given["target_duration"] = Given(_TARGET_DURATION, "Curator's default", where)
        return CuratorPipeline(self._given, self._ignored)

    def _where(self, path: str) -> str:
        return f"{self._file}: {visible(path)}"

    def _apply(self, text: str) -> None:
        """Applies an override to the tree, by Hydra's rules."""
        name = visible(text.partition("=")[0])
        try:
            override = override_of(text)
        except ValueError as error:
            raise ConfigFileError(f"{name}: {error}") from None
        if override is None:
            raise ConfigFileError(f"{name}: is no override; write key=value, +key=value, ++key=value or ~key")
        try:
            self._change(override, name)
        except ConfigIndexError:
            raise ConfigFileError(f"{name}: there is no such place in {self._file}") from None
        except OmegaConfBaseException as error:
            raise ConfigFileError(f"{name}: {_reason(error)}") from None

    def _change(self, override: Override, name: str) -> None:
        if _OF_HYDRA.match(override.key):
            self._change_hydra(override)
            return
        parent_key, _, last = override.key.rpartition(".")
        parent = OmegaConf.select(self._root, parent_key) if parent_key else self._root
        if isinstance(parent, ListConfig):
            is_there, index = last.isdigit() and int(last) < len(parent), int(last) if last.isdigit() else -1
        else:
            is_there, index = isinstance(parent, DictConfig) and last in {*parent.keys()}, -1
        if override.sign in ("", "~") and not is_there:
            raise ConfigFileError(f"{name}: {self._missing(override, parent)}")
        if override.sign == "+" and is_there:
            raise ConfigFileError(f"{name}: {self._file} has this key; {visible(override.key)}=... changes it")
        if override.sign == "~":
            del parent[index if isinstance(parent, ListConfig) else last]
            return
        if isinstance(parent, ListConfig) and not is_there:
            raise ConfigFileError(f"{name}: there is no such place in {self._file}")
        OmegaConf.update(self._root, override.key, override.value, merge=False, force_add=True)
        self._overridden.add(override.key)

    def _change_hydra(self, override: Override) -> None:
        """Takes what Hydra always has, in the file or not, and of which no result depends here."""
        if "/" in override.key or override.sign == "~":
            self._ignored.append(override.key)
        else:
            OmegaConf.update(self._root, override.key, override.value, merge=False, force_add=True)

    def _missing(self, override: Override, parent: Any) -> str:
        """What is to be said of a key that an override takes for one of the file."""
        first, number, key, *_ = [*override.key.split("."), "", "", ""]
        stage = OmegaConf.select(self._root, f"stages.{number}") if first == "stages" and number.isdigit() else None
        name = str(stage.get("_target_")).rpartition(".")[2] if isinstance(stage, DictConfig) else ""
        if name in _PARAMETERS and key not in _known_keys(name):
            return f"alm-beam has no such parameter of {name}{did_you_mean(key, _known_keys(name))}"
        near = (
            did_you_mean(override.key.rpartition(".")[2], [*map(str, parent)]) if isinstance(parent, DictConfig) else ""
        )
        may_be_added = not override.sign and not near and (first != "stages" or name)
        advice = f"; +{visible(override.key)}=... adds it" if may_be_added else near
        return f"{self._file} has no such key{advice}"

    def _stages(self) -> list[Any]:
        """The stages, with all that is to be resolved as it stands; they are those of the main job, in its order."""
        stages = self._raw.get("stages")
        if not isinstance(stages, list):
            raise ConfigFileError(f"{self._where('stages')}: must be a list of stages, each with a _target_")
        names = [self._stage_name(f"stages.{number}", stage) for number, stage in enumerate(stages)]
        order = ", ".join(_PARAMETERS)
        missing = [name for name in _PARAMETERS if name not in names]
        if missing:
            raise ConfigFileError(f"{self._where('stages')}: {missing[0]} is missing; alm-beam windows does {order}")
        for number, (name, wanted) in enumerate(zip(names, [*_PARAMETERS, *[""] * len(names)])):
            if name != wanted:
                path = self._where(f"stages.{number}")
                raise ConfigFileError(f"{path}: {name} is not where alm-beam windows does it; it does {order}")
        return stages

    def _stage_name(self, path: str, stage: Any) -> str:
        target = stage.get("_target_") if isinstance(stage, dict) else None
        if not isinstance(target, str):
            raise ConfigFileError(f"{self._where(path)}: must be a mapping with a _target_")
        name = target.rpartition(".")[2]
        if name not in _PARAMETERS:
            order = ", ".join(_PARAMETERS)
            raise ConfigFileError(f"{self._where(path)}: alm-beam has no {visible(target)}; it does {order}")
        return name

    def _check_hydra(self) -> None:
        """Refuses several runs; all else is about Hydra itself."""
        hydra = self._raw.get("hydra")
        if isinstance(hydra, dict) and str(hydra.get("mode")).upper() == "MULTIRUN":
            raise ConfigFileError(f"{self._where('hydra.mode')}: MULTIRUN asks for several runs; use alm-beam sweep")

    def _check_defaults(self) -> None:
        """Refuses what would have Hydra read other files."""
        defaults = self._raw.get("defaults") or []
        for number, each in enumerate(defaults if isinstance(defaults, list) else [defaults]):
            names = [*each] if isinstance(each, dict) else [each]
            if not all(str(name) == "_self_" or str(name).startswith("override hydra/") for name in names):
                path = self._where(f"defaults.{number}")
                raise ConfigFileError(f"{path}: names another file, which is not read; write its keys into this one")

    def _names_in(self, value: Any) -> Iterator[str]:
        """The keys that interpolations anywhere in a value name."""
        if isinstance(value, str):
            yield from _INTERPOLATION.findall(value)
        elif isinstance(value, dict):
            for each in value.values():
                yield from self._names_in(each)
        elif isinstance(value, list):
            for each in value:
                yield from self._names_in(each)

    def _read_stage(self, path: str, stage: Mapping[str, Any]) -> None:
        name = stage["_target_"].rpartition(".")[2]
        for key in stage:
            where = f"{path}.{key}"
            if key in _PARAMETERS[name]:
                self._read_value(where, str(key), _PARAMETERS[name][key])
            elif key in _WITHOUT_EFFECT or (name == READER and self._is_without_effect(str(key), where)):
                self._ignored.append(where)
            elif key == "file_extensions" and name == READER:
                raise ConfigFileError(f"{self._where(where)}: must be [.jsonl, .json]; alm-beam looks for no others")
            elif key != "_target_":
                advice = did_you_mean(str(key), _known_keys(name))
                raise ConfigFileError(f"{self._where(where)}: alm-beam has no such parameter of {name}{advice}")
        for key, parameters in _PARAMETERS[name].items():
            is_needed = any(self._known[each].is_required for each in {*parameters} - self._stated)
            if is_needed and key not in stage:
                raise ConfigFileError(f"{self._where(f'{path}.{key}')} is missing")

    def _is_without_effect(self, key: str, path: str) -> bool:
        """Whether a key of the reader changes no result here."""
        return key in _OF_READER or (key == "file_extensions" and self._value(path) in _EXTENSIONS)

    def _read_value(self, path: str, key: str, names: tuple[str, ...]) -> None:
        """Gives the parameters that mean the same as a key; where flags state all of them, it may be anything."""
        if not self._stated.issuperset(names):
            for name, value in zip(names, self._values_of(key, path)):
                self._give(name, value, path)

    def _values_of(self, key: str, path: str) -> tuple[Any, ...]:
        """What a key states, for each of its parameters."""
        value = self._value(path)
        if key == "output_path":
            return self._folder_and_name(value, path)
        is_one_path = key == "manifest_path" and isinstance(value, str)
        return ((value,),) if is_one_path else (value,)  # a comma in it separates nothing

    def _folder_and_name(self, value: Any, path: str) -> tuple[str, str]:
        """The folder that a file is in, and the file's name."""
        folder, slash, file = value.rpartition("/") if isinstance(value, str) else ("", "", "")
        if not file:
            raise ConfigFileError(f"{self._where(path)}: must be a file's path or URL")
        return folder or slash or ".", file

    def _give(self, name: str, value: Any, path: str) -> None:
        parameter = self._known[name]
        converted = parameter.convert({} if value is None and parameter.is_secret else value)
        if not parameter.takes(converted):
            given = "" if parameter.is_secret else f"={visible(ConfigError(name, value, '').text)}"
            raise ConfigFileError(f"{self._where(path)}{given}: must be {parameter.allowed}")
        self._given[name] = Given(converted, self._source(path), self._where(path))

    def _source(self, path: str) -> str:
        """Where a value is from: an override of it, or of what it is made of, or the file."""
        for key in (path, *self._names_in(self._raw_at(path))):
            if key in self._overridden:
                return f"override {visible(key)}"
        return f"{self._file} {visible(path)}"

    def _value(self, path: str) -> Any:
        """A value with all that it is made of."""
        try:
            value = OmegaConf.select(self._root, path, throw_on_missing=True)
            if isinstance(value, (DictConfig, ListConfig)):
                value = OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException as error:
            missing = [key for key in self._names_in(self._raw_at(path)) if OmegaConf.is_missing(self._root, key)]
            if missing:
                raise ConfigFileError(
                    f"{self._where(missing[0])} is missing (???); give it as {visible(missing[0])}=..."
                ) from None
            reason = _reason(error, is_secret=path.endswith(".storage_options"))
            raise ConfigFileError(f"{self._where(path)}: {reason}") from None
        return value

    def _raw_at(self, path: str) -> Any:
        raw = self._raw
        for part in path.split("."):
            raw = raw[int(part)] if isinstance(raw, list) else raw[part]
        return raw


def _known_keys(stage: str) -> list[str]:
    """The keys that a stage may have."""
    return [*_PARAMETERS[stage], *_WITHOUT_EFFECT, *((*_OF_READER, "file_extensions") if stage == READER else ())]


def _reason(error: Exception, *, is_secret: bool = False) -> str:
    """What OmegaConf says is wrong, in one line, with nothing of a value, which may be secret."""
    if isinstance(error, GrammarParseError):
        return "holds a ${...} that is not well formed (is a } missing?)"
    said = str(error).partition("\n")[0]
    if isinstance(error, (InterpolationKeyError, UnsupportedInterpolationType)) and not is_secret:
        return said
    variable = _VARIABLE.search(said)
    return variable[0] if variable else "cannot be made of what it names"
