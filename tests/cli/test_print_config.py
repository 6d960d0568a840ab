"""What `--print_config` prints is a file that states the same parameters; what nobody may see is left out."""

import io
import subprocess
import sys
from contextlib import redirect_stdout

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.cli import convert, measure, shards, sweep, windows
from alm_beam.cli.flags import job_config, job_parser
from alm_beam.core.config import ConfigError, JobConfig
from alm_beam.core.config_file import parameters_in, root_of, written
from alm_beam.core.convert_config import ConvertConfig
from alm_beam.core.measure_config import MeasureConfig
from alm_beam.core.parameters import Choice, Limits, Names, Number, Parameter, SecretObject, Switch, Text, Whole
from alm_beam.core.path_parameters import Folder, Paths
from alm_beam.core.several import Several
from alm_beam.core.shards_config import ShardsConfig
from alm_beam.core.sweep_config import SweepConfig
from tests.cli.test_config_file import config_file, refused, shown

COMMANDS = [
    (windows.main, JobConfig),
    (measure.main, MeasureConfig),
    (shards.main, ShardsConfig),
    (sweep.main, SweepConfig),
    (convert.main, ConvertConfig),
]


def test_passwords_in_urls_are_not_printed(tmp_path, capfd):
    urls = ("--input=s3://me:TOPS3CRET@lake/in, b", "--output=s3://lake/out?token=TOPS3CRET")
    printed = shown(capfd, windows.main, *urls)
    assert "TOPS3CRET" not in printed
    lines = printed.splitlines()
    assert lines[0] == "input: ['s3://lake/in', b]  # flag; what may be secret in a URL is left out"
    assert lines[1] == "output: s3://lake/out  # flag; what may be secret in a URL is left out"
    again = config_file(tmp_path, printed)
    assert f"output: s3://lake/out  # {again}" in shown(capfd, windows.main, "--config", again).splitlines()


def test_what_follows_another_parameter_still_does_where_the_file_says_null(tmp_path, capfd):
    file = config_file(tmp_path, "target_duration: null\ntarget_window_duration: 60\n")
    assert f"target_duration: null  # {file}" in shown(capfd, windows.main, "--config", file).splitlines()
    file = config_file(tmp_path, "target_duration: 60\ntarget_window_duration: 60\n")
    assert f"target_duration: 60  # {file}" in shown(capfd, windows.main, "--config", file).splitlines()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--json", "--json: is of a run; --print_config prints YAML, and takes no --json"),
        ("--runner=NoSuch", "Beam refuses its flags: Unexpected pipeline runner: NoSuch."),
        ("--direct_num_workers=x", "Beam refuses its flags: argument --direct_num_workers: invalid int value: 'x'"),
    ],
)
def test_what_print_config_cannot_show_is_refused(capfd, flag, message):
    told = refused(capfd, windows.main, "--input=a", "--output=b", "--print_config", flag)
    assert told.startswith(f"alm-beam test: error: {message}")
    assert told.count("\n") == 1


def test_an_unknown_flag_beside_print_config_is_refused(capfd):
    told = refused(capfd, windows.main, "--print_config", "--min_speaker=3")
    assert "unknown argument --min_speaker (did you mean --min_speakers?)" in told
    assert "tolerance" in shown(capfd, windows.main, "--direct_num_workers=1", "--temp_location", "gs://b/c")


def test_to_print_the_parameters_imports_no_beam(tmp_path):
    file = config_file(tmp_path, "input: in\noutput: out\n")
    code = (
        "import sys, alm_beam.cli.windows as w; "
        f"w.main(['--config', {file!r}, '--print_config']); print('apache_beam' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")


TEXTS = st.text(st.characters(blacklist_categories=()), min_size=1, max_size=40)
"""Anything that a Python text can hold, halves of surrogate pairs included."""


def values_of(parameter: Parameter) -> st.SearchStrategy:
    """Values that a parameter takes, and now and then the edges of its range."""
    match parameter:
        case Whole(at_least=least, at_most=most):
            return st.integers(int(least), int(most))
        case Number():
            least = parameter.at_least if parameter.above is None else parameter.above
            most = min(parameter.at_most, 1e9) if parameter.below is None else parameter.below
            number = st.floats(least, most)
            return (number | st.integers(int(least), int(min(most, 100)))).filter(parameter.takes)
        case Switch():
            return st.booleans()
        case Choice(options=options):
            return st.sampled_from(options)
        case Names():
            return st.frozensets(TEXTS | st.just(""), max_size=4)
        case Limits():
            number = st.floats(-1e9, 1e9)
            pairs = st.lists(st.tuples(TEXTS, number), max_size=3, unique_by=lambda pair: pair[0])
            return pairs.map(tuple)
        case Paths():
            return st.lists(TEXTS, min_size=1, max_size=4).map(tuple)
        case Folder() | Text():
            return TEXTS
        case SecretObject():
            return st.just({})
        case Several(of=of):
            value = (
                st.none() | values_of(of)
                if of.follows or (of.without and not isinstance(of, Limits))
                else values_of(of)
            )
            return st.lists(value, min_size=1, max_size=2, unique_by=lambda each: (each == 1, each)).map(tuple)
    raise TypeError(parameter)


@st.composite
def configurations(draw, kind):
    parameters = kind.every_parameter()
    given = {
        name: draw(values_of(each)) for name, each in parameters.items() if each.is_required or draw(st.booleans())
    }
    try:
        return kind.of(given)
    except ConfigError:  # two parameters that do not fit each other
        return kind.of({name: given[name] for name, each in parameters.items() if each.is_required})


@pytest.mark.parametrize("kind", [JobConfig, MeasureConfig, ShardsConfig, SweepConfig])
@pytest.mark.parametrize("is_ascii", [False, True])
def test_what_is_printed_states_the_same_configuration(kind, is_ascii):
    @settings(max_examples=25, deadline=None)
    @given(configurations(kind))
    def is_same_again(config):
        values = config.parameters()
        text = written(values, dict.fromkeys(values, "default"), is_ascii=is_ascii)
        assert len(text.split("\n")) == len(values)
        assert text.replace("\n", "").isprintable()
        data = text.encode("ascii" if is_ascii else "utf-8")
        stated = parameters_in(root_of(data, "f"), "f", kind.every_parameter())
        parser = job_parser("test", "", kind)
        again = job_config(parser, parser.parse_args([]), kind, stated)
        assert again == config
        for name, value in again.parameters().items():
            assert type(value) is type(values[name])

    is_same_again()


@pytest.mark.parametrize(("main", "kind"), COMMANDS)
def test_what_is_printed_prints_the_same_again(tmp_path, main, kind):
    not_in_files = ("num_shards", "from_format", "to_format") if kind is ConvertConfig else ()

    def printed() -> str:
        with redirect_stdout(io.StringIO()) as out:
            assert main(["--config", f"{tmp_path}/conf.yaml", "--print_config"], "alm-beam test") == 0
        return out.getvalue()

    @settings(max_examples=20, deadline=None)
    @given(configurations(kind))
    def is_same_again(config):
        values = {name: value for name, value in config.parameters().items() if name not in not_in_files}
        config_file(tmp_path, written(values, dict.fromkeys(values, "test"), is_ascii=True))
        first = printed()
        config_file(tmp_path, first)
        second = printed()
        config_file(tmp_path, second)
        assert printed() == second
        assert yaml.safe_load(second) == yaml.safe_load(first)
        if not not_in_files:
            stated = parameters_in(root_of(first.encode(), "f"), "f", kind.every_parameter())
            parser = job_parser("test", "", kind)
            assert job_config(parser, parser.parse_args([]), kind, stated) == config

    is_same_again()


def test_every_field_of_a_configuration_is_in_what_is_printed(capfd):
    for main, kind in COMMANDS[:-1]:
        printed = shown(capfd, main, "--input=a", "--output=b")
        names = [line.split(":")[0].lstrip("# ") for line in printed.splitlines()]
        assert sorted(names) == sorted(kind.every_parameter())
