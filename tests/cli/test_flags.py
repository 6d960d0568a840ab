"""Flags are checked before anything is read, and the message says what to do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from alm_beam.cli.flags import job_config, job_parser
from alm_beam.cli.windows import main as run
from alm_beam.core.command_config import CommandConfig
from alm_beam.core.config import PARAMETERS, JobConfig
from alm_beam.core.parameters import parameters_of
from tests.manifests import write


def config(*flags: str):
    parser = job_parser("test", "", JobConfig)
    return job_config(parser, parser.parse_args(["--input=in", "--output=out", *flags]), JobConfig)


def refused(capfd, *flags: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        run(list(flags))
    assert stopped.value.code == 2
    return capfd.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        (
            "--target_window_duration=0",
            "--target_window_duration=0: must be a number of seconds above 0, at most 1000000000",
        ),
        (
            "--target_window_duration=2min",
            "--target_window_duration=2min: must be a number of seconds above 0, at most 1000000000",
        ),
        ("--tolerance=1", "--tolerance=1: must be a fraction, 0 <= tolerance < 1"),
        ("--min_sample_rate=-1", "--min_sample_rate=-1: must be a number of Hz from 0 to 1000000000"),
        ("--min_bandwidth=nan", "--min_bandwidth=nan: must be a number of Hz from 0 to 1000000000"),
        ("--min_speakers=0", "--min_speakers=0: must be a whole number from 1 to 1000000000"),
        ("--min_speakers=6", "--max_speakers=5: must be a whole number from min_speakers (6) to 1000000000"),
        ("--min_metrics=win=2", "--min_metrics=win=2.0: must not name 'win': the statistics have lost_win for"),
        ("--direct_num_workers=x", "error: Beam refuses its flags: argument --direct_num_workers: invalid int value"),
        ("--truncation=maybe", "--truncation=maybe: must be true or false"),
        ("--no_truncation=Maybe", "--truncation=Maybe: must be true or false"),
        ("--candidate_windows=1", "--candidate_windows=1: must be true or false"),
        ("--overlap_percentage=101", "--overlap_percentage=101: must be a number from 0 to 100"),
        ("--target_duration=-5", "--target_duration=-5: must be a number of seconds above 0, at most 1000000000"),
        ("--repeat_factor=0", "--repeat_factor=0: must be a whole number from 1 to 1000000000"),
        ("--num_shards=1.5", "--num_shards=1.5: must be a whole number from 0 (the runner decides) to 1000000000"),
        ("--max_reject_fraction=2", "--max_reject_fraction=2: must be a fraction from 0 to 1"),
        (
            "--target_windw_duration=30",
            "unknown argument --target_windw_duration (did you mean --target_window_duration?)",
        ),
        ("--target_window=30", "unknown argument --target_window (did you mean --target_window_duration?)"),
        ("--direct_num_worker=2", "unknown argument --direct_num_worker (did you mean --direct_num_workers?)"),
        ("more.jsonl", "there is an argument that belongs to no flag (is a shell quote missing?)"),
    ],
)
def test_a_wrong_flag_is_refused_before_anything_is_read_or_written(tmp_path, capfd, flag, message):
    source, out = write(tmp_path / "in.jsonl"), tmp_path / "out"
    assert message in refused(capfd, f"--input={source}", f"--output={out}", flag)
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--storage_options", "{secret:", "TOPS3CRET}"), "--storage_options: is not JSON"),
        (("--storage_options", "{}", "TOPS3CRET}"), "belongs to no flag"),
        (("--secret=TOPS3CRET",), "unknown argument --secret ("),
        (('--storage={"secret":"TOPS3CRET"}',), "unknown argument --storage ("),
        (
            ('--STORAGE_OPTIONS={"secret": "TOPS3CRET"}',),
            "unknown argument --STORAGE_OPTIONS (did you mean --storage_o",
        ),
        (('--storage_options{"secret":"TOPS3CRET"}',), "unknown argument --storage_options ("),
    ],
)
def test_of_an_unknown_argument_the_flag_alone_is_shown(capfd, flags, message):
    with pytest.raises(SystemExit):
        run(["--input=in", "--output=out", *flags])
    text = "".join(capfd.readouterr())
    assert message in text
    assert "TOPS3CRET" not in text


def test_an_input_that_names_nothing_is_refused_by_name(tmp_path, capfd):
    for pattern, why in (("*.parquet", "no file matches"), ("gone.jsonl", "no such file or folder"), ("", "no .jsonl")):
        (tmp_path / "in").mkdir(exist_ok=True)
        message = refused(capfd, f"--input={tmp_path / 'in' / pattern}", f"--output={tmp_path / 'out'}")
        assert f"--input={tmp_path / 'in' / pattern}: " in message
        assert why in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["in", "in/windows"])
def test_an_output_inside_an_input_folder_is_refused(tmp_path, capfd, out):
    write(tmp_path / "in" / "m.jsonl")
    message = refused(capfd, f"--input={tmp_path / 'in'}", f"--output={tmp_path / out}")
    assert f"--output={tmp_path / out}: is inside an input folder" in message


def test_an_input_that_the_run_would_replace_is_refused(tmp_path, capfd):
    shard = write(tmp_path / "out" / "alm_output-00003-of-00007.jsonl")
    assert "is a file of an earlier run" in refused(capfd, f"--input={shard}", f"--output={tmp_path / 'out'}")
    assert shard.exists()


def test_an_output_that_cannot_be_a_folder_is_refused(tmp_path, capfd, monkeypatch):
    source = write(tmp_path / "in.jsonl")
    assert "is a file" in refused(capfd, f"--input={source}", f"--output={source}")
    assert "--output=nosuch://out: cannot be used" in refused(capfd, f"--input={source}", "--output=nosuch://out")
    assert "without any of * ? [ ]" in refused(capfd, f"--input={source}", f"--output={tmp_path}/out*")
    (tmp_path / "a[1]").mkdir()
    monkeypatch.chdir(tmp_path / "a[1]")
    assert "without any of * ? [ ]" in refused(capfd, f"--input={source}", "--output=out")


@pytest.mark.parametrize("flag", ["--input=", "--input=,"])
def test_an_input_without_a_path_is_refused(capfd, flag):
    assert "error: --input=: must be a file, a folder or a glob" in refused(capfd, flag, "--output=out")


def test_missing_flags_are_named(capfd):
    assert "--input, --output" in refused(capfd)


@pytest.mark.parametrize(
    ("flags", "value"),
    [
        ((), True),
        (("--truncation",), True),
        (("--no_truncation",), False),
        (("--truncation=false",), False),
        (("--truncation=True",), True),
        (("--no_truncation=true",), False),
        (("--no_truncation=false",), True),
        (("--no_truncation", "--truncation"), True),
    ],
)
def test_switches_take_every_form(flags, value):
    assert config(*flags).windows.truncation is value


def test_inputs_repeat_and_hold_commas():
    assert config("--input=a, b", "--input", "c").input == ("in", "a", "b", "c")


def test_the_target_duration_follows_the_window_duration_unless_given():
    assert config("--target_window_duration=60").overlap.target_duration == 60
    assert config("--target_window_duration=60", "--target_duration=50").overlap.target_duration == 50


def test_field_lists_are_stripped_and_may_be_empty():
    given = config("--drop_fields=words, text", "--drop_fields_top_level=").entry
    assert given.drop_fields == {"words", "text"}
    assert config().entry.drop_fields == {"words"}
    assert config().entry.drop_fields_top_level == {"words", "segments"}
    assert given.drop_fields_top_level == set()


def test_every_parameter_is_a_flag_and_nothing_else_is():
    flags = {
        option
        for option in job_parser("test", "", JobConfig)._option_string_actions
        if not re.match("--no_|--help|-h", option)
    }
    assert flags == {f"--{name}" for name in [*PARAMETERS, *parameters_of(CommandConfig)]}
    assert config().parameters().keys() == PARAMETERS.keys() - {"storage_options"}


def test_help_states_each_parameter_with_its_default():
    shown = " ".join(job_parser("test", "", JobConfig).format_help().split())
    for parameter in PARAMETERS.values():
        assert " ".join(parameter.help.split()) in shown.replace("- ", "-")
    for default in (
        "120.0",
        "0, the runner decides",
        "on",
        "off",
        "greedy",
        "--target_window_duration",
        "words,segments",
    ):
        assert f"(default: {default})" in shown


@pytest.mark.parametrize(
    ("text", "options"),
    [("", {}), (" ", {}), ("{}", {}), ('{"s3": {"key": "a"}, "n": 1}', {"s3": {"key": "a"}, "n": 1})],
)
def test_storage_options_are_json(text, options):
    assert config(f"--storage_options={text}").storage_options == options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"key": TOPS3CRET}', r"--storage_options: is not JSON \(.*\)"),
        ("TOPS3CRET", r"--storage_options: is not JSON \(.*\)"),
        ('["TOPS3CRET"]', "--storage_options: must be a JSON object"),
        ('"TOPS3CRET"', "--storage_options: must be a JSON object"),
    ],
)
def test_storage_options_that_are_none_are_refused_without_showing_them(capfd, text, message):
    with pytest.raises(SystemExit) as stopped:
        config(f"--storage_options={text}")
    assert stopped.value.code == 2
    said = "".join(capfd.readouterr())
    assert re.search(message, said)
    assert "TOPS3CRET" not in said


def test_the_parser_imports_neither_beam_nor_numpy_nor_fsspec():
    code = "import sys, alm_beam.cli.flags; print({'apache_beam', 'numpy', 'fsspec'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("command", [["-m", "alm_beam"], ["-m", "alm_beam", "windows"], ["pipelines/build_windows.py"]])
def test_help_is_there_for_every_entry(command):
    shown = subprocess.run(
        [sys.executable, *command, "--help"], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert "usage:" in shown.stdout
