"""The parameters of the templates are the flags of their jobs: their names, defaults, kinds and values."""

import json
import re
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from google.cloud.dataflow_v1beta3 import ParameterType, TemplateMetadata

from alm_beam.cli import measure, shards, sweep, windows
from alm_beam.cli.flags import job_config, job_parser
from alm_beam.core.config import JobConfig
from alm_beam.core.measure_config import MeasureConfig
from alm_beam.core.parameters import Choice, Number, Parameter, Switch
from alm_beam.core.run_config import RunConfig
from alm_beam.core.several import Several
from alm_beam.core.shards_config import ShardsConfig
from alm_beam.core.sweep_config import SweepConfig
from alm_beam.jobs import run
from tests.templates.image import DOCKERFILE


@dataclass(frozen=True)
class Template:
    """The template of a job."""

    name: str
    config: type[RunConfig]
    main: Callable[[list[str]], int]
    file: str

    @cached_property
    def text(self) -> str:
        return DOCKERFILE.with_name(self.file).read_text(encoding="utf-8")

    @cached_property
    def parameters(self) -> dict[str, dict[str, Any]]:
        return {each["name"]: each for each in json.loads(self.text)["parameters"]}

    @cached_property
    def flags(self) -> dict[str, Parameter]:
        return dict(self.config.every_parameter())


TEMPLATES = [
    Template("windows", JobConfig, windows.main, "metadata.json"),
    Template("measure", MeasureConfig, measure.main, "measure_metadata.json"),
    Template("shards", ShardsConfig, shards.main, "shards_metadata.json"),
    Template("sweep", SweepConfig, sweep.main, "sweep_metadata.json"),
]

SECONDS = (["120", "0.5", "7.25", ".5", "0120"], ["0", "0.0", "-5", "2min", "nan", ""])
HZ = (["0", "16000", "44100.5"], ["-1", "8k", "nan", "2000000000", ""])
SWITCH = (["true", "false"], ["yes", "1", "maybe"])
FRACTION = (["0", "0.25", ".25"], ["-0.1", "10%", "2", ""])
FROM_ZERO = (["0", "100"], ["-1", "1.5", "many", "2000000000", ""])
AT_LEAST_ONE = (["1", "5", "100"], ["0", "-1", "1.5", "2000000000", ""])
VALUES: dict[str, tuple[list[str], list[str]]] = {
    "input": (
        ["gs://lake/in", "gs://lake/in/**.jsonl.gz", "gs://lake/a, s3://other/b", "https://host/m.jsonl"],
        ["", ",", "lake/in", "/data/in", "gs://lake/a,b"],
    ),
    "output": (["gs://lake/out", "s3://lake/out/1"], ["", "out", "/data/out"]),
    "overwrite": SWITCH,
    "num_shards": FROM_ZERO,
    "repeat_factor": AT_LEAST_ONE,
    "max_reject_fraction": (["1", "1.0", *FRACTION[0]], ["1.5", *FRACTION[1]]),
    "storage_options": (['{"gs": {"requester_pays": true}}', "{}"], ["secret", '"gs"', "[1]", "{"]),
    "target_window_duration": SECONDS,
    "tolerance": (FRACTION[0], ["1", *FRACTION[1]]),
    "min_sample_rate": HZ,
    "min_bandwidth": HZ,
    "min_speakers": (["1", "5"], AT_LEAST_ONE[1]),
    "max_speakers": (["2", "100"], AT_LEAST_ONE[1]),
    "truncation": SWITCH,
    "drop_empty_truncations": SWITCH,
    "default_sample_rate": (["16000", "44100.5"], ["0", "-1", "nan", ""]),
    "default_bandwidth": HZ,
    "skip_no_speaker": SWITCH,
    "max_gap": (["0", "5", "0.5"], ["-1", "5s", "nan", ""]),
    "min_speech": (["1", "1.0", *FRACTION[0]], ["1.5", *FRACTION[1]]),
    "max_speaker_share": (["1", "1.0", "0.8", ".8"], ["0", "0.0", "1.5", "-1", ""]),
    "min_metrics": (["pesq_squim=2.5", "pesq_squim=2.5, stoi_squim=0.8", "sisdr=-3"], ["pesq_squim", "=2", "a=b"]),
    "max_metrics": (["wer.wer=0.3"], ["wer", "wer=", "a=1,b"]),
    "require_metrics": SWITCH,
    "candidates": (["longest", "all"], ["", "longer", "longest,all"]),
    "selection": (["greedy", "most_audio"], ["", "best"]),
    "compare_selection": SWITCH,
    "overlap_percentage": (["0", "50", "99.5", "100", "100.0"], ["-1", "101", "50%", ""]),
    "target_duration": SECONDS,
    "entries": SWITCH,
    "candidate_windows": SWITCH,
    "report": SWITCH,
    "cuts": SWITCH,
    "entries_file": (["all.jsonl", "a b.json", "_a"], ["", "a/b.jsonl", ".a", "a*", "a[1]"]),
    "audio_root": (["gs://lake/audio", "s3://lake/audio/1"], ["audio", "/data/audio"]),
    "bandwidth": SWITCH,
    "levels": SWITCH,
    "format": (["shar", "nemo", "webdataset", "parquet"], ["", "tar", "Shar", "shar,nemo"]),
    "windows_per_shard": FROM_ZERO,
    "shard_bytes": (["0", "2000000000", "999999999999"], ["", "-1", "1.5", "many", "2000000000000"]),
    "order": (["recording", "shuffled"], ["", "random"]),
    "seed": FROM_ZERO,
    "audio_format": (["flac", "wav", "opus"], ["", "mp3"]),
    "sample_rate": (
        ["0", "8000", "44100", "99999", "100000", "699999", "759999", "767999", "768000"],
        ["-1", "16000.5", "16k", "768001", "770000", "800000", "1000000", ""],
    ),
    "channels": (["mono", "keep"], ["", "stereo", "1"]),
    "pad": (["0", "0.1", ".5", "2"], ["-0.1", "1s", "nan", "2000000000", ""]),
    "aim": (["distinct_hours", "kept_hours"], ["", "hours"]),
    "sample": (["1", "1.0", "0.01", ".5"], ["0", "1.5", "10%", ""]),
    "max_line_bytes": (["1000", "1073741824", "900000000000"], ["0", "999", "1.5", "1GiB", ""]),
}
TAKES_ANYTHING = {
    "speaker_separator": [",", "|"],
    "drop_fields": ["", "words", "words, text"],
    "drop_fields_top_level": ["", "words,segments"],
    "corpus": ["yodas", "a corpus"],
    "split": ["train", "dev=1"],
    "language": ["de", "de-CH"],
}


class AllChecksPassed(Exception):
    pass


@pytest.fixture
def accepts(monkeypatch) -> Callable[[Template, str, str], bool]:
    """Whether a run on Dataflow takes the value of a flag, up to the first look at a store."""

    def stop(*_: Any, **__: Any) -> None:
        raise AllChecksPassed

    def accepted(template: Template, name: str, value: str) -> bool:
        flags = {"input": "gs://lake/in", "output": "gs://lake/out", name: value}
        argv = [f"--{flag}={given}" for flag, given in flags.items()]
        try:
            template.main([*argv, "--runner=DataflowRunner", "--sdk_container_image=image"])
        except AllChecksPassed:
            return True
        except SystemExit:
            return False
        raise AssertionError("the run went past the checks")

    monkeypatch.setattr(run, "checked_folder", stop)
    return accepted


def matches(template: Template, name: str, value: str) -> bool:
    """Whether every regular expression of the parameter matches: by POSIX, which the format wants, and by Python."""
    answers = set()
    for pattern in template.parameters[name]["regexes"]:
        grep = subprocess.run(["grep", "-E", "-q", "--", pattern], input=f"{value}\n".encode())
        answers |= {grep.returncode == 0, re.fullmatch(pattern, value) is not None}
    assert len(answers) == 1, (name, value)
    return answers.pop()


def each_of(names: Iterable[str] | None = None) -> list[Any]:
    """The templates, each with each of its flags, of those with these names."""
    return [
        pytest.param(template, name, id=f"{template.name}-{name}")
        for template in TEMPLATES
        for name in (template.flags if names is None else names)
        if name in template.flags
    ]


def values_of(flag: Parameter) -> tuple[list[str], list[str]]:
    """What the flag takes, and what it refuses. One with several values takes those together that differ."""
    good, bad = VALUES[flag.name]
    if not isinstance(flag, Several):
        return good, bad
    different = {flag.of.parse(each): each for each in good}.values()
    none = [] if flag.default_text is not None else ["none"]
    together = [f" {flag.separator} ".join([*different, *none]), *none]
    wrong = [each for each in bad if flag.separator not in each]
    return [*good, *together], [*wrong, f"{good[0]}{flag.separator}", f"{good[0]}{flag.separator}{wrong[-1]}"]


every_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
every_flag = pytest.mark.parametrize(("template", "name"), each_of())


@every_template
def test_dataflows_own_parser_takes_it_all(template):
    metadata = TemplateMetadata.from_json(template.text)
    assert [each.name for each in metadata.parameters] == [*template.parameters]
    assert all(each.label and each.help_text for each in metadata.parameters)
    with pytest.raises(Exception, match="isOptionl"):  # it would refuse a misspelt field
        TemplateMetadata.from_json(template.text.replace("isOptional", "isOptionl", 1))


@every_template
def test_every_flag_is_a_parameter_and_nothing_else_is(template):
    assert [*template.parameters] == [*template.flags, "config"]


@every_template
def test_a_file_of_parameters_may_be_given_by_url(template):
    assert matches(template, "config", "gs://lake/conf.yaml")
    assert not any(matches(template, "config", each) for each in ("conf.yaml", "", "/data/conf.yaml"))
    assert all(each["isOptional"] for each in template.parameters.values()), "the file may state each of them"
    assert not any("defaultValue" in each for each in template.parameters.values()), "it would win over the file"


@every_flag
def test_a_parameter_says_what_its_flag_says(template, name):
    parameter, flag = template.parameters[name], template.flags[name]
    assert f" Default: {flag.default_text}." in parameter["helpText"] or not flag.default_text
    assert parameter["helpText"].lower().startswith(flag.help.lower())
    assert ("no secret" in parameter["helpText"]) is flag.is_secret


@every_flag
def test_the_type_is_that_of_the_flag(template, name):
    parameter, flag = template.parameters[name], template.flags[name]
    choices = [each["value"] for each in parameter.get("enumOptions", [])]
    assert choices == (list(flag.options) if isinstance(flag, Choice) else [])
    kinds = {Switch: "BOOLEAN", Choice: "ENUM", Number: "NUMBER"}
    expected = next((name for kind, name in kinds.items() if isinstance(flag, kind)), "TEXT")
    assert ParameterType[parameter["paramType"]].name == expected


def test_every_regular_expression_is_tried():
    every = {name: each for template in TEMPLATES for name, each in template.parameters.items()}
    assert VALUES.keys() == {name for name, each in every.items() if each.get("regexes")} - {"config"}
    assert TAKES_ANYTHING.keys() == every.keys() - {*VALUES, "config"}


@pytest.mark.parametrize(("template", "name"), each_of(VALUES))
def test_parameter_and_flag_take_and_refuse_the_same_values(template, name, accepts):
    for values, is_good in zip(values_of(template.flags[name]), (True, False)):
        found = {value: (matches(template, name, value), accepts(template, name, value)) for value in values}
        assert found == dict.fromkeys(values, (is_good, is_good))


@pytest.mark.parametrize(("template", "name"), each_of(TAKES_ANYTHING))
def test_a_parameter_without_regular_expression_takes_anything(template, name, accepts):
    assert all(accepts(template, name, value) for value in TAKES_ANYTHING[name])


@every_template
def test_all_defaults_given_as_flags_change_nothing(template):
    parser = job_parser("test", "", template.config)
    required = ["--input=gs://lake/in", "--output=gs://lake/out"]
    defaults = [f"--{name}={each.default_text}" for name, each in template.flags.items() if each.default_text]
    configs = [job_config(parser, parser.parse_args([*required, *flags]), template.config) for flags in ([], defaults)]
    assert configs[0] == configs[1]
    assert len(defaults) > 5
