"""The template's parameters are the job's flags: their names, defaults, kinds and values."""

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from google.cloud.dataflow_v1beta3 import ParameterType, TemplateMetadata

from alm_beam.cli.flags import job_config, job_parser
from alm_beam.cli.windows import main
from alm_beam.core.config import PARAMETERS as FLAGS
from alm_beam.core.config import JobConfig
from alm_beam.core.parameters import Choice, Number, Switch
from alm_beam.jobs import windows as job
from tests.templates.image import DOCKERFILE

TEXT = DOCKERFILE.with_name("metadata.json").read_text(encoding="utf-8")
PARAMETERS: dict[str, dict[str, Any]] = {each["name"]: each for each in json.loads(TEXT)["parameters"]}

SECONDS = (["120", "0.5", "7.25", ".5", "0120"], ["0", "0.0", "-5", "2min", "nan", ""])
HZ = (["0", "16000", "44100.5"], ["-1", "8k", "nan", "2000000000", ""])
SWITCH = (["true", "false"], ["yes", "1", "maybe"])
FRACTION = (["0", "0.25", ".25"], ["-0.1", "10%", "2", ""])
AT_LEAST_ONE = (["1", "5", "100"], ["0", "-1", "1.5", "2000000000", ""])
VALUES: dict[str, tuple[list[str], list[str]]] = {
    "input": (
        ["gs://lake/in", "gs://lake/in/**.jsonl.gz", "gs://lake/a, s3://other/b", "https://host/m.jsonl"],
        ["", ",", "lake/in", "/data/in", "gs://lake/a,b"],
    ),
    "output": (["gs://lake/out", "s3://lake/out/1"], ["", "out", "/data/out"]),
    "overwrite": SWITCH,
    "num_shards": (["0", "100"], ["-1", "1.5", "many", "2000000000", ""]),
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
    "candidate_windows": SWITCH,
    "cuts": SWITCH,
    "max_line_bytes": (["1000", "1073741824", "900000000000"], ["0", "999", "1.5", "1GiB", ""]),
}
TAKES_ANYTHING = {
    "speaker_separator": [",", "|"],
    "drop_fields": ["", "words", "words, text"],
    "drop_fields_top_level": ["", "words,segments"],
}


class AllChecksPassed(Exception):
    pass


@pytest.fixture
def accepts(monkeypatch) -> Callable[[str, str], bool]:
    """Whether a run on Dataflow takes the value of a flag, up to the first look at a store."""

    def stop(*_: Any, **__: Any) -> None:
        raise AllChecksPassed

    def accepted(name: str, value: str) -> bool:
        flags = {"input": "gs://lake/in", "output": "gs://lake/out", name: value}
        argv = [f"--{flag}={given}" for flag, given in flags.items()]
        try:
            main([*argv, "--runner=DataflowRunner", "--sdk_container_image=image"])
        except AllChecksPassed:
            return True
        except SystemExit:
            return False
        raise AssertionError("the run went past the checks")

    monkeypatch.setattr(job, "checked_folder", stop)
    return accepted


def matches(name: str, value: str) -> bool:
    """Whether every regular expression of the parameter matches: by POSIX, which the format wants, and by Python."""
    answers = set()
    for pattern in PARAMETERS[name]["regexes"]:
        grep = subprocess.run(["grep", "-E", "-q", "--", pattern], input=f"{value}\n".encode())
        answers |= {grep.returncode == 0, re.fullmatch(pattern, value) is not None}
    assert len(answers) == 1, (name, value)
    return answers.pop()


def test_dataflows_own_parser_takes_it_all():
    metadata = TemplateMetadata.from_json(TEXT)
    assert [each.name for each in metadata.parameters] == [*PARAMETERS]
    assert all(each.label and each.help_text for each in metadata.parameters)
    with pytest.raises(Exception, match="isOptionl"):  # it would refuse a misspelt field
        TemplateMetadata.from_json(TEXT.replace("isOptional", "isOptionl", 1))


def test_every_flag_is_a_parameter_and_nothing_else_is():
    assert [*PARAMETERS] == [*FLAGS]


@pytest.mark.parametrize("name", FLAGS)
def test_a_parameter_says_what_its_flag_says(name):
    parameter, flag = PARAMETERS[name], FLAGS[name]
    assert parameter["isOptional"] is not flag.is_required
    assert parameter.get("defaultValue") == flag.default_text
    assert parameter["helpText"].lower().startswith(flag.help.lower())
    assert ("no secret" in parameter["helpText"]) is flag.is_secret


@pytest.mark.parametrize("name", FLAGS)
def test_the_type_is_that_of_the_flag(name):
    parameter, flag = PARAMETERS[name], FLAGS[name]
    choices = [each["value"] for each in parameter.get("enumOptions", [])]
    assert choices == (list(flag.options) if isinstance(flag, Choice) else [])
    kinds = {Switch: "BOOLEAN", Choice: "ENUM", Number: "NUMBER"}
    expected = next((name for kind, name in kinds.items() if isinstance(flag, kind)), "TEXT")
    assert ParameterType[parameter["paramType"]].name == expected


def test_every_regular_expression_is_tried():
    assert VALUES.keys() == {name for name, each in PARAMETERS.items() if each.get("regexes")}
    assert TAKES_ANYTHING.keys() == PARAMETERS.keys() - VALUES


@pytest.mark.parametrize("name", VALUES)
def test_parameter_and_flag_take_and_refuse_the_same_values(name, accepts):
    good, bad = VALUES[name]
    assert {value: (matches(name, value), accepts(name, value)) for value in good} == dict.fromkeys(good, (True, True))
    assert {value: (matches(name, value), accepts(name, value)) for value in bad} == dict.fromkeys(bad, (False, False))


@pytest.mark.parametrize("name", TAKES_ANYTHING)
def test_a_parameter_without_regular_expression_takes_anything(name, accepts):
    assert all(accepts(name, value) for value in TAKES_ANYTHING[name])


def test_all_defaults_given_as_the_launcher_gives_them_change_nothing():
    parser = job_parser("test", "", JobConfig)
    required = ["--input=gs://lake/in", "--output=gs://lake/out"]
    given = [f"--{name}={each['defaultValue']}" for name, each in PARAMETERS.items() if "defaultValue" in each]
    configs = [job_config(parser, parser.parse_args([*required, *flags]), JobConfig) for flags in ([], given)]
    assert configs[0] == configs[1]
    assert len(given) > 15
