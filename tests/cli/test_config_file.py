"""Files of parameters: flags win over them, they over the defaults; what is wrong in one is told with its place."""

import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alm_beam.cli import convert, measure, shards, validate, windows
from alm_beam.cli.flags import job_config, job_parser
from alm_beam.core.config import ConfigError, JobConfig
from alm_beam.core.config_file import parameters_in, root_of, written
from alm_beam.core.measure_config import MeasureConfig
from alm_beam.core.parameters import (
    Choice,
    Folder,
    Limits,
    Names,
    Number,
    Parameter,
    Paths,
    SecretObject,
    Switch,
    Text,
    Whole,
)
from alm_beam.core.shards_config import ShardsConfig
from tests.manifests import output_entries, write


def shown(capfd, main, *arguments: str) -> str:
    """What `--print_config` shows."""
    assert main([*arguments, "--print_config"], "alm-beam test") == 0
    return capfd.readouterr().out


def refused(capfd, main, *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments], "alm-beam test")
    assert stopped.value.code == 2
    out, err = capfd.readouterr()
    assert out == ""
    return err


def config_file(folder: Path, text: str | bytes, name: str = "conf.yaml") -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def test_flags_win_over_the_file_and_the_file_over_the_defaults(tmp_path, capfd):
    file = config_file(tmp_path, "input: a.jsonl\noutput: out\nmin_speakers: 3\ntolerance: 0.2\ncuts: no\n")
    lines = shown(capfd, windows.main, "--config", file, "--tolerance=0.3", "--output=elsewhere").splitlines()
    assert f"min_speakers: 3  # {file}" in lines
    assert f"cuts: false  # {file}" in lines
    assert "tolerance: 0.3  # flag" in lines
    assert "output: elsewhere  # flag" in lines
    assert "max_speakers: 5  # default" in lines
    assert "target_duration: null  # default: --target_window_duration" in lines
    assert "# storage_options: never shown  # default" in lines


def test_a_run_does_what_the_file_says(tmp_path):
    source = write(tmp_path / "a, b.jsonl")
    file = config_file(tmp_path, f'input: ["{source}"]\noutput: "{tmp_path}/file"\ntarget_window_duration: 6e1\n')
    assert windows.main(["--config", file]) == 0
    flags = [f"--input={source}", f"--output={tmp_path}/flags", "--target_window_duration=60"]
    assert windows.main(flags) == 0
    assert output_entries(tmp_path / "file") == output_entries(tmp_path / "flags") != []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("min_speakers: 0", "line 1: min_speakers=0: must be a whole number from 1 to 1000000000"),
        ("\n# so it is\ntolerance: 1:30", "line 3: tolerance=1:30: must be a fraction, 0 <= tolerance < 1"),
        ("min_speakers: 010", "line 1: min_speakers=010: begins with a 0, by which YAML means an octal number"),
        ("num_shards: 1e3", "line 1: num_shards=1e3: must be a whole number from 0"),
        ("truncation: maybe", "line 1: truncation=maybe: must be true or false"),
        ("truncation: 1", "line 1: truncation=1: must be true or false"),
        ("min_speakers: [3]", "line 1: min_speakers: must be a whole number from 1 to 1000000000, but there is a list"),
        ("min_speakers:", "line 1: min_speakers has no value; it must be a whole number"),
        ("drop_fields: {words: 1}", "line 1: drop_fields: must be a set of field names, but there is a mapping"),
        ("drop_fields: [words, ]\ninput: [a, null]", "line 2: input: must be a file, a folder or a glob, but there is"),
        ("min_metrics: {a: high}", "line 1: min_metrics: must be names with a number each"),
        ("min_metrics: {a: 1, a: 2}", "line 1: min_metrics: must be names with a number each"),
        (
            "min_metrics: {segments: 1}\nmax_metrics: {win: 1}",
            "line 2: max_metrics: max_metrics=(('win', 1.0),): must not",
        ),
        ("selection: best", "line 1: selection=best: must be greedy or most_audio"),
        ("max_speakers: 1", "line 1: max_speakers: max_speakers=1: must be a whole number from min_speakers (2)"),
        ("min_speaker: 3", "line 1: min_speaker is no parameter of this command (did you mean min_speakers?)"),
        ("min-speakers: 3", "line 1: min-speakers is no parameter of this command (did you mean min_speakers?)"),
        ("tolerance: 0.2\ncuts: yes\ntolerance: 0.3", "line 3: tolerance is there twice, on line 1 first"),
        ("runner: FlinkRunner", "line 1: runner is Beam's; give it as a flag: --runner=..."),
        ("quiet: true", "line 1: quiet is the command's, and no parameter of its job; give it as a flag"),
        ("\tcuts: true", "line 1: is not YAML (found character '\\t' that cannot start any token; YAML takes no tabs"),
        ("cuts: true\n---\ncuts: false", "line 2: is not YAML (but found another document)"),
        ("[cuts]", "must be a mapping, with a line `name: value` for each parameter"),
        ("[a, b]: 1", "line 1: there is a list or a mapping where the name of a parameter must be"),
        ("input: ' , '", "line 1: input= , : must be a file, a folder or a glob"),
        (b"cuts: \xff", "is not YAML (invalid start byte)"),
        ("storage_options: [TOPS3CRET]", "line 1: storage_options: must be a JSON object"),
        ("storage_options: TOPS3CRET", "line 1: storage_options: must be a JSON object, but is not JSON"),
        ("storage_options: {s3: *TOPS3CRET}", "line 1: is not YAML (found undefined alias)"),
        ("storage_options: {s3: 'TOPS3CRET", "line 1: is not YAML ("),
        ("storage_options: &a {s3: *a}", "line 1: storage_options holds itself"),
        ("storage_options: {s3: {a: 1, a: 2}}", "line 1: storage_options has a name twice"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, capfd, text, message):
    file = config_file(tmp_path, text)
    told = refused(capfd, windows.main, "--config", file, "--input=in", "--output=out")
    assert told.startswith("alm-beam test: error: ")
    assert message in told
    assert file in told
    assert "TOPS3CRET" not in told


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("truncation: no", False),
        ("truncation: Off", False),
        ("truncation: 'false'", False),
        ("speaker_separator: no", "no"),
        ("speaker_separator: 2024-01-01", "2024-01-01"),
        ("speaker_separator: '~'", "~"),
        ("speaker_separator: ~", None),
        ("speaker_separator: 0x1F", "0x1F"),
        ("tolerance: .5", 0.5),
        ("target_window_duration: 1e2", 100.0),
        ("target_window_duration: 60", 60),
        ("target_duration: null", 120.0),
        ("max_gap: null", None),
        ("min_metrics: null", ()),
        ("min_metrics: a=1, b.c=2", (("a", 1.0), ("b.c", 2.0))),
        ("min_metrics: {a: 1, 'b,=': -.5}", (("a", 1.0), ("b,=", -0.5))),
        ("drop_fields: words, text", frozenset({"words", "text"})),
        ("drop_fields: []", frozenset()),
        ("drop_fields: ''", frozenset()),
        ("drop_fields: [no, 'a,b', 1]", frozenset({"no", "a,b", "1"})),
        ("input: a, b", ("a", "b")),
        ("input: ['a, b', c]", ("a, b", "c")),
        ("storage_options: {s3: {key: 012, on: yes, n: 3, x: 1e3, t: true, e: ''}}", None),
    ],
)
def test_values_mean_what_they_look_like(text, value):
    parser = job_parser("test", "", JobConfig)
    known = JobConfig.every_parameter()
    stated = parameters_in(root_of(text.encode(), "f"), "f", known)
    (name,) = stated
    required = [f"--{each}={each}" for each in ("input", "output") if each != name]
    config = job_config(parser, parser.parse_args(required), JobConfig, stated)
    if name == "storage_options":
        assert config.storage_options == {"s3": {"key": "012", "on": "yes", "n": 3, "x": 1000.0, "t": True, "e": ""}}
    else:
        assert config.parameters()[name] == value


@pytest.mark.parametrize("text", ["", "# nothing\n", "null", "---\n"])
def test_an_empty_file_states_nothing(tmp_path, capfd, text):
    flags = ("--input=a", "--output=b")
    assert shown(capfd, windows.main, "--config", config_file(tmp_path, text), *flags) == shown(
        capfd, windows.main, *flags
    )


def test_files_with_a_byte_order_mark_are_read(tmp_path, capfd):
    for encoding in ("utf-8-sig", "utf-16"):
        file = config_file(tmp_path, "input: ä\noutput: b\n".encode(encoding))
        assert f"input: [ä]  # {file}" in shown(capfd, windows.main, "--config", file)


def test_of_two_files_none_is_left_out_in_silence(tmp_path, capfd):
    file = config_file(tmp_path, "input: a")
    told = refused(capfd, windows.main, "--config", file, f"--config={file}")
    assert "--config is given twice; it may be given once" in told


def test_required_parameters_may_come_from_either(tmp_path, capfd):
    file = config_file(tmp_path, "input: in")
    told = refused(capfd, windows.main, "--config", file)
    assert "the following arguments are required: --output (" in told
    for main in (windows.main, measure.main, shards.main, convert.main):
        assert "the following arguments are required: --input, --output (" in refused(capfd, main)
    lines = shown(capfd, windows.main, "--config", file).splitlines()
    assert lines[0] == "# output: must be given, here or as a flag"
    assert not any(line.startswith("output") for line in lines)


def test_a_file_that_is_not_there_or_too_large_is_refused(tmp_path, capfd):
    assert "nosuch.yaml: does not exist" in refused(capfd, windows.main, f"--config={tmp_path}/nosuch.yaml")
    file = config_file(tmp_path, b"#" * 2_000_000)
    assert "is larger than 1,048,576 bytes" in refused(capfd, windows.main, f"--config={file}")


def test_the_file_is_read_by_any_url_with_the_options_of_the_flag(capfd):
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/configs/conf.yaml", b"input: in\noutput: out\ntolerance: 0.25\n")
    try:
        printed = shown(capfd, windows.main, "--config=memory://configs/conf.yaml", "--storage_options={}")
        assert "tolerance: 0.25  # memory://configs/conf.yaml" in printed
        told = refused(capfd, windows.main, "--config=memory://configs/conf.yaml", "--storage_options=[TOPS3CRET")
        assert "--storage_options: is not JSON" in told
        assert "TOPS3CRET" not in told
    finally:
        fs.rm("/configs", recursive=True)


def test_a_file_for_convert_has_the_names_of_its_flags(tmp_path, capfd):
    file = config_file(tmp_path, "from: rttm\ninput: in\noutput: out\n")
    printed = shown(capfd, convert.main, "--config", file)
    assert f"from: rttm  # {file}" in printed
    assert "num_shards" not in printed
    again = config_file(tmp_path, printed, "again.yaml")
    assert yaml.safe_load(shown(capfd, convert.main, "--config", again)) == yaml.safe_load(printed)
    wrong = config_file(tmp_path, "from: rtm")
    assert "line 1: from=rtm: must be rttm or ctm+rttm" in refused(capfd, convert.main, "--config", wrong)


def test_validate_takes_the_file_of_the_main_job(tmp_path, capfd):
    source = write(tmp_path / "m.jsonl")
    file = config_file(tmp_path, f"input: {source}\noutput: out\ntarget_window_duration: 30\ncuts: false\n")
    assert validate.main(["--config", file], "alm-beam validate") in (0, 1)
    assert f"--config={file}" in capfd.readouterr().out
    assert "min_speaker is no param" in refused(
        capfd, validate.main, "--config", config_file(tmp_path, "min_speaker: 3"), str(source)
    )


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
            number = st.floats(
                parameter.at_least if parameter.above is None else parameter.above, min(parameter.at_most, 1e9)
            )
            return (number | st.integers(0, 100)).filter(parameter.takes)
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


@pytest.mark.parametrize("kind", [JobConfig, MeasureConfig, ShardsConfig])
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


def test_every_field_of_a_configuration_is_in_what_is_printed(capfd):
    for main, kind in ((windows.main, JobConfig), (measure.main, MeasureConfig), (shards.main, ShardsConfig)):
        printed = shown(capfd, main, "--input=a", "--output=b")
        names = [line.split(":")[0].lstrip("# ") for line in printed.splitlines()]
        assert sorted(names) == sorted(kind.every_parameter())
