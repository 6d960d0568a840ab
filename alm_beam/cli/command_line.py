"""A command of `alm-beam windows` as it was given, for those who want to give it again; without what may be secret."""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from alm_beam.core.command_config import CommandConfig
from alm_beam.core.config import PARAMETERS
from alm_beam.core.parameters import HIDDEN, Parameter, SecretObject, Switch, parameters_of
from alm_beam.storage.secrets import redacted, shown

_OURS: Mapping[str, Parameter] = {**PARAMETERS, **parameters_of(CommandConfig)}

_OF_HYDRA = frozenset(("--config-path", "-cp", "--config-name", "-cn"))

_OF_CURATOR = frozenset(("manifest_path", "output_dir", "output_path"))

_OF_BEAM = frozenset(
    (
        "autoscaling_algorithm",
        "direct_num_workers",
        "direct_running_mode",
        "disk_size_gb",
        "environment_type",
        "flink_version",
        "job_name",
        "machine_type",
        "max_num_workers",
        "no_wait_until_finish",
        "num_workers",
        "parallelism",
        "project",
        "region",
        "runner",
        "sdk_worker_parallelism",
        "staging_location",
        "temp_location",
        "worker_machine_type",
        "worker_zone",
    )
)
"""Flags of Beam whose values hold no secrets. Any other one of its many may: connection strings, environments."""


def command_line(prog: str, arguments: Sequence[str]) -> str:
    """The command, as it is typed in a shell. What is given to a flag that is not known to be harmless is left out.

    >>> command_line("alm-beam windows", ["--input=s3://me:password@lake/in", "--storage_options", "{}", "--cuts"])
    "alm-beam windows --input=s3://lake/in --storage_options '(not shown)' --cuts"
    """
    text = " ".join([prog, *map(shlex.quote, _shown(arguments))])
    return text.encode("utf-8", "backslashreplace").decode()  # a name need not be UTF-8


def _shown(arguments: Sequence[str]) -> Iterator[str]:
    flag = ""  # that the next argument is a value of
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if argument.startswith("--") or name in _OF_HYDRA:
            yield f"{name}={_value(name, value)}" if equals else name
            flag = "" if equals or _is_switch(name) else name
        elif flag:
            yield _value(flag, argument)
            flag = ""
        else:
            yield _override(name, value) if equals else HIDDEN


def _value(flag: str, value: str) -> str:
    name = flag.removeprefix("--")
    is_ours = name.removeprefix("no_") in _OURS or flag in _OF_HYDRA
    return _without_secrets(value) if (is_ours and not _is_secret(name)) or name in _OF_BEAM else HIDDEN


def _override(key: str, value: str) -> str:
    """What overrides a value of a pipeline of NeMo Curator."""
    name = key.rpartition(".")[2].lstrip("+~")
    is_known = (name in PARAMETERS and not _is_secret(name)) or name in _OF_CURATOR
    return f"{key}={_without_secrets(value) if is_known else HIDDEN}"


def _is_secret(name: str) -> bool:
    return isinstance(_OURS.get(name), SecretObject)


def _is_switch(flag: str) -> bool:
    return isinstance(_OURS.get(flag.removeprefix("--").removeprefix("no_")), Switch)


def _without_secrets(text: str) -> str:
    return ",".join(shown(redacted(part)) for part in text.split(","))
