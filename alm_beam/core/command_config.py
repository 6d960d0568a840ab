"""What a command is told that runs a job, besides what the job is told."""

from dataclasses import dataclass

from alm_beam.core.parameter_fields import optional_file, switch
from alm_beam.core.parameters import HIDDEN, ConfigError, check_fields


@dataclass(frozen=True)
class CommandConfig:
    """How a command runs its job, and what it shows. None of it changes what the job makes.

    Raises:
        ConfigError: a value is out of its range.
    """

    config: str | None = optional_file(
        "a file of YAML with parameters by the names of their flags, a path or any fsspec URL; flags win over it",
        label="File of parameters",
        without="flags alone count",
    )
    print_config: bool = switch(
        False,
        "print all parameters as a file for `config`, each with where its value comes from, and run nothing",
        label="Print the parameters",
    )
    dry_run: bool = switch(
        False,
        "say what would be read, and from a sample of it how much would be written and how long it would take; write "
        "nothing",
        label="Estimate the run",
    )
    json: bool = switch(
        False, "print one JSON object on stdout: the run's statistics, or what a dry run tells", label="Print JSON"
    )
    progress: bool = switch(
        True,
        "show on stderr how far the run is; where that is no terminal, by a line every 30 seconds",
        label="Show progress",
    )
    quiet: bool = switch(
        False,
        "print errors alone, and what `dry_run`, `json` and `print_config` ask for",
        label="Print errors alone",
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.print_config and self.json:
            raise ConfigError("json", HIDDEN, "is of a run; --print_config prints YAML, and takes no --json")
