"""Writes what follows from the jobs' parameters: docs/parameters.md, Dataflow's metadata, the params of Airflow's DAGs.

    python templates/generate.py            writes the files
    python templates/generate.py --check    names those that are not up to date, and then ends with exit code 1

The parameters stand in alm_beam/core/config.py, run_config.py, measure_config.py, shards_config.py and
sweep_config.py.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alm_beam.cli.flags import default_words
from alm_beam.core.command_config import CommandConfig
from alm_beam.core.config import GROUPS, JobConfig
from alm_beam.core.measure_config import MeasureConfig
from alm_beam.core.parameters import (
    MOST,
    Choice,
    Limits,
    Names,
    Number,
    Parameter,
    SecretObject,
    Switch,
    Text,
    Whole,
    parameters_of,
)
from alm_beam.core.path_parameters import FileName, Folder, Paths
from alm_beam.core.run_config import RunConfig
from alm_beam.core.several import NO_VALUE, Several
from alm_beam.core.shards_config import ShardsConfig
from alm_beam.core.sweep_config import SweepConfig, SweepSettings

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "parameters.md"
METADATA = ROOT / "templates" / "dataflow" / "metadata.json"
MEASURE_METADATA = METADATA.with_name("measure_metadata.json")
SHARDS_METADATA = METADATA.with_name("shards_metadata.json")
SWEEP_METADATA = METADATA.with_name("sweep_metadata.json")
DAG = ROOT / "templates" / "airflow" / "alm_beam_windows.py"

CONFIG = parameters_of(CommandConfig)["config"]
"""Of what commands are told beside their jobs, a template takes this alone."""

NOT_IN_DAG = {"input", "output", "overwrite", "repeat_factor"}
"""A DAG states the first two itself, as templates of its own; each try decides the third; the last is for trials."""


@dataclass(frozen=True)
class Job:
    """What the templates say of a job.

    Attributes:
        config: the class of its configuration.
        source: the file of that.
        name: that of its Dataflow template.
        description: what it does.
    """

    config: type[RunConfig]
    source: str
    name: str
    description: str

    @property
    def begin(self) -> str:
        """The line in the DAGs' file before what is made here."""
        return f"    # Made by templates/generate.py from alm_beam/core/{self.source}; change them there.\n"


WINDOWS = Job(
    JobConfig,
    "config.py",
    "alm_beam: training windows",
    "Builds training windows from manifests of diarized recordings.",
)
MEASURE = Job(
    MeasureConfig,
    "measure_config.py",
    "alm_beam: measure audio",
    "Measures the audio of manifests: sample rate, duration, channels, and the bandwidth of segments.",
)

SHARDS = Job(
    ShardsConfig,
    "shards_config.py",
    "alm_beam: audio shards",
    "Writes audio shards: the windows of cuts, each with its own audio, in a format that trainers read.",
)

SWEEP = Job(
    SweepConfig,
    "sweep_config.py",
    "alm_beam: sweep of windows",
    "Computes windows by every combination of the parameters' values, and says which keeps most.",
)

_END = "    # End of what templates/generate.py makes.\n"
_WIDTH = 120

_MEASURE = """\
## Flags of `alm-beam measure`

`alm-beam measure` takes the flags under [Files](#files), except `--repeat_factor`, and these:

"""

_SHARDS = """\
## Flags of `alm-beam shards`

`alm-beam shards` takes the flags under [Files](#files), except `--num_shards` and `--repeat_factor`, and these. Its
`--input` is another:

"""

_SWEEP = """\
## Flags of `alm-beam sweep`

`alm-beam sweep` takes the flags under [Files](#files), except `--num_shards`, those under [Entries](#entries), and
these. It takes those under [Windows](#windows) and [Overlapping windows](#overlapping-windows), except
`--compare_selection`, too, with [several values each](sweep.md#what-is-swept):

"""

_INTRODUCTION = """\
# Parameters

These are the flags of `alm-beam windows` and, at the end, of `alm-beam measure`, `alm-beam shards` and
`alm-beam sweep`. The fields of `WindowConfig`, `OverlapConfig`, `EntryConfig`, `JobConfig`, `MeasureConfig`,
`ShardsConfig` and `SweepConfig` in Python and the parameters of the Dataflow templates have the same names, defaults
and ranges. So do the params of the Airflow DAGs, which have no `repeat_factor` and
[give `--overwrite` themselves](airflow.md#running-an-interval-again). Times are in seconds, sample rates and
bandwidths in Hz.

## How flags are written

A flag and its value are written `--name=value` or `--name value`. A switch is turned on by `--name` and off by
`--no_name`; `--name=true` and `--name=false` do the same. Names are never abbreviated: a flag that neither this job nor
Apache Beam knows is an error that names the nearest one. Any flag of Apache Beam may follow, `--runner` for example.
"""


def main() -> int:
    """Writes the files, or checks them, and gives the exit code."""
    parser = argparse.ArgumentParser(description="Writes the files that follow from the parameters.")
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that are not up to date")
    is_check = parser.parse_args().check
    stale = stale_files()
    for path, text in stale.items():
        if not is_check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)} {'is not up to date: run `make generated`' if is_check else 'is written'}")
    return 1 if stale and is_check else 0


def stale_files() -> dict[Path, str]:
    """The files that are not up to date, each with the text that it should have."""
    texts = {
        PAGE: page(),
        METADATA: metadata(),
        MEASURE_METADATA: metadata(MEASURE),
        SHARDS_METADATA: metadata(SHARDS),
        SWEEP_METADATA: metadata(SWEEP),
        DAG: dag(DAG.read_text(encoding="utf-8")),
    }
    return {path: text for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text}


def page() -> str:
    """The page of the docs: a table for each group of parameters."""
    parts = [f"## {title.capitalize()}\n\n{_table(parameters_of(config))}" for title, config in GROUPS.items()]
    others = [_MEASURE + _table(_own(MEASURE)), _SHARDS + _table(_own(SHARDS))]
    return "\n".join([_INTRODUCTION, *parts, *others, _SWEEP + _table(parameters_of(SweepSettings))])


def _own(job: Job) -> dict[str, Parameter]:
    """The parameters of a job that not every job has, or not as it has them."""
    shared = RunConfig.every_parameter()
    return {name: each for name, each in job.config.every_parameter().items() if each != shared.get(name)}


def _table(parameters: Mapping[str, Parameter]) -> str:
    rows = ["| flag | default | meaning |", "|---|---|---|"]
    rows += [f"| `--{each.name}` | {_default_in_page(each)} | {_meaning(each)} |" for each in parameters.values()]
    return "\n".join(rows) + "\n"


def _default_in_page(parameter: Parameter) -> str:
    if parameter.is_required:
        return "required"
    if isinstance(parameter, Switch):
        return default_words(parameter)
    if parameter.without:
        return parameter.without
    return f"`{default_words(parameter)}`" if default_words(parameter) else "none"


def _meaning(parameter: Parameter) -> str:
    """The help as a sentence and, where it does not follow from it, what a value must be."""
    is_stated = isinstance(parameter, (Switch, Choice, Paths, Folder, Names, Text))
    return _sentence(parameter.help) + ("" if is_stated else " " + _sentence(parameter.allowed))


def _sentence(text: str) -> str:
    """The text with a capital, unless it begins with the name of something, and a full stop."""
    return (text if text.startswith("fsspec") else text[0].upper() + text[1:]) + "."


def metadata(job: Job = WINDOWS) -> str:
    """The metadata of a job's Dataflow template, JSON."""
    parameters = [*map(_for_dataflow, [*job.config.every_parameter().values(), CONFIG])]
    template = {"name": job.name, "description": job.description, "parameters": parameters}
    return json.dumps(template, indent=2) + "\n"


_LIMIT = r" *[^,= ][^,]*= *-?([0-9]+(\.[0-9]*)?|\.[0-9]+) *"
_URL = "[A-Za-z][A-Za-z0-9+.-]*://"

_NUMBER_PATTERNS = {
    "above 0": r"^(0*[1-9][0-9]*(\.[0-9]+)?|0*\.0*[1-9][0-9]*)$",
    "above 0 to 1": r"^(0*\.0*[1-9][0-9]*|0*1(\.0+)?)$",
    "from 0 to 1000000000": r"^([0-9]{1,9}(\.[0-9]+)?|\.[0-9]+)$",
    "from 0 to 100": r"^([0-9]{1,2}(\.[0-9]+)?|100(\.0+)?)$",
    "from 0 to 1": r"^(0|0?\.[0-9]+|1(\.0+)?)$",
    "from 0 to less than 1": r"^(0|0?\.[0-9]+)$",
    "whole from 0": "^[0-9]{1,9}$",
    "whole from 0 to 768000": "^([0-9]{1,5}|[1-6][0-9]{5}|7[0-5][0-9]{4}|76[0-7][0-9]{3}|768000)$",
    "whole from 0 to 1000000000000": "^[0-9]{1,12}$",
    "whole from 1": "^[1-9][0-9]{0,8}$",
    "whole from 1000 to 1000000000000": "^[1-9][0-9]{3,11}$",
}
"""POSIX regular expressions of the texts of numbers, by range."""


def _for_dataflow(parameter: Parameter) -> dict[str, Any]:
    kind, pattern = _dataflow_kind(parameter)
    stated: dict[str, Any] = {
        "name": parameter.name,
        "label": parameter.label,
        "helpText": _for_form(parameter, "Dataflow shows the parameters of a template: name no secret here."),
        "paramType": kind,
    }
    if isinstance(parameter, Choice):
        stated["enumOptions"] = [{"value": each, "label": each} for each in parameter.options]
    if pattern:
        stated["regexes"] = [pattern]
    # A file of parameters may state every one of them. And a default that is stated here is given as a flag by what
    # launches the template, and so would win over the file.
    stated["isOptional"] = True
    if parameter.default_text:
        stated["helpText"] += f" Default: {parameter.default_text}."
    return stated


def _dataflow_kind(parameter: Parameter) -> tuple[str, str]:
    """Dataflow's type, and the regular expression of the texts that it takes; empty if it takes any."""
    match parameter:
        case Number():
            return "NUMBER", _NUMBER_PATTERNS[_range(parameter)]
        case Switch():
            return "BOOLEAN", "^(true|false)$"
        case Choice(options=options):
            return "ENUM", f"^({'|'.join(options)})$"
        case Paths():
            return "TEXT", f"^ *{_URL}[^,]+( *, *{_URL}[^,]+)*$"
        case Folder():
            return "TEXT", f"^{_URL}.+$"
        case SecretObject():
            return "TEXT", "^ *[{].*[}] *$"
        case FileName():
            return "TEXT", "^[^]./*?[][^]/*?[]*$"
        case Names() | Text():
            return "TEXT", ""
        case Limits():
            return "TEXT", f"^{_LIMIT}(,{_LIMIT})*$"
        case Several(of=of, separator=separator):
            none = "" if of.default_text is not None else f"|{NO_VALUE}"
            one = f" *({_dataflow_kind(of)[1][1:-1]}{none}) *"
            return "TEXT", f"^{one}({separator}{one})*$"
    raise TypeError(f"Dataflow's type for {parameter} is not stated")


def _range(parameter: Number) -> str:
    to = "" if parameter.at_most == MOST else f" to {parameter.at_most}"
    if isinstance(parameter, Whole):
        return f"whole from {parameter.at_least}{to}"
    if parameter.above is not None:
        return f"above {parameter.above}{to}"
    if parameter.below is not None:
        return f"from {parameter.at_least} to less than {parameter.below}"
    return f"from {parameter.at_least} to {parameter.at_most}"


def _for_form(parameter: Parameter, warning: str) -> str:
    """What a form says of the parameter: that it is in seconds, or what 0 means, say."""
    text = _sentence(parameter.help)
    if isinstance(parameter, Number):
        text += " " + _sentence(parameter.allowed)
    if isinstance(parameter, Several):
        text = f"{_for_form(parameter.of, '')} {_sentence(parameter.how)}"
    elif parameter.follows or parameter.without:
        text += f" Without a value: {parameter.follows or parameter.without}."
    return f"{text} {warning}" if parameter.is_secret else text


def dag(text: str) -> str:
    """The text of the DAGs' file with the params of the jobs' flags as they should be."""
    for job in (WINDOWS, MEASURE, SHARDS, SWEEP):
        before, rest = text.split(job.begin)
        _, after = rest.split(_END, maxsplit=1)
        parameters = job.config.every_parameter().values()
        made = "".join(_for_airflow(each) for each in parameters if each.name not in NOT_IN_DAG)
        text = before + job.begin + made + _END + after
    return text


def _for_airflow(parameter: Parameter) -> str:
    """The entry of the DAG's table, as ruff formats it."""
    function, default, schema = _airflow_param(parameter)
    said = _for_form(parameter, "Airflow shows it: keep secrets in the environment of its workers.")
    first = _quoted(default) if isinstance(default, str) else repr(default)
    last = [value if key == "**" else f"{key}={value}" for key, value in schema.items()]
    line = f'    "{parameter.name}": {function}({", ".join([first, _quoted(said), *last])}),\n'
    if len(line) <= _WIDTH + 1:
        return line
    arguments = "".join(f"        {each},\n" for each in (first, _wrapped(said, 8), *last))
    return f'    "{parameter.name}": {function}(\n{arguments}    ),\n'


def _wrapped(text: str, indent: int) -> str:
    """The text as literals of Python, one a line where it is too long for one line with the indent and a comma."""
    whole = _quoted(text)
    if indent + len(whole) + 1 <= _WIDTH:
        return whole
    *lines, end = textwrap.wrap(text, _WIDTH - indent - 15, break_on_hyphens=False)
    return f"\n{' ' * indent}".join(map(_quoted, [*(f"{line} " for line in lines), end]))


def _airflow_param(parameter: Parameter) -> tuple[str, Any, Mapping[str, str]]:
    """The function of the DAG's file that makes the param, its default, and what its JSON schema says beside."""
    match parameter:
        case Number(default=default):
            return "_whole" if isinstance(parameter, Whole) else "_number", default, _number_schema(parameter)
        case Switch(default=default):
            return "Param", default, {"type": '"boolean"' if parameter.default_text else '["null", "boolean"]'}
        case Choice(default=default, options=options):
            return "_text", default, {"enum": f"[{', '.join(map(_quoted, options))}]"}
        case Names():
            return "_text", parameter.default_text, {}
        case SecretObject() | Text() | Limits() | Folder():
            return "_text", None, {"**": "**OPTIONAL_TEXT"}
        case Several(of=Limits()):
            return "_text", None, {"**": "**OPTIONAL_TEXT"}
        case Several(of=of):
            return _airflow_param_of_several(of)
    raise TypeError(f"Airflow's type for {parameter} is not stated")


def _airflow_param_of_several(of: Parameter) -> tuple[str, Any, Mapping[str, str]]:
    """The same of a parameter with several values: one value as it is, or several as a text, which the job checks."""
    function, default, schema = _airflow_param(of)
    one = "|".join(of.options) if isinstance(of, Choice) else "true|false" if isinstance(of, Switch) else "[^,]+"
    pattern = {"pattern": _quoted(f"^({one})(,({one}))*$")}
    types = {"_whole": '["string", "integer"]', "_number": '["string", "number"]', "Param": '["string", "boolean"]'}
    if function == "_text":
        return function, default, pattern
    null = '["null", ' if of.follows or of.without else "["
    return function, default, {**schema, "type": null + types[function][1:], **pattern}


def _number_schema(parameter: Number) -> dict[str, str]:
    ends = {
        "minimum": parameter.at_least,
        "exclusiveMinimum": parameter.above,
        "maximum": None if parameter.below is not None or parameter.at_most == MOST else parameter.at_most,
        "exclusiveMaximum": parameter.below,
    }
    schema = {key: repr(end) for key, end in ends.items() if end is not None}
    return {"type": '["null", "number"]', **schema} if parameter.follows or parameter.without else schema


def _quoted(text: str) -> str:
    """The text as a literal of Python, with the quotes that need fewer backslashes, double ones if in doubt."""
    quote = min('"', "'", key=text.count)
    return quote + text.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote


if __name__ == "__main__":
    sys.exit(main())
