"""Files of parameters: flags win over them, they over the defaults; what is wrong in one is told with its place."""

import json
import socket
from pathlib import Path

import fsspec
import pytest
import yaml

from alm_beam.cli import convert, measure, shards, sweep, validate, windows
from alm_beam.cli.flags import job_config, job_parser
from alm_beam.core.config import JobConfig
from alm_beam.core.config_file import parameters_in, root_of
from alm_beam.core.sweep_config import SweepConfig
from tests.manifests import output_entries, write
from tests.servers.web import Site, web_site

ALIASES = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)
"""A billion values in 500 bytes."""


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
            "line 2: max_metrics=win=1.0: must not name 'win'",
        ),
        ("selection: best", "line 1: selection=best: must be greedy or most_audio"),
        ("max_speakers: 1", "line 1: max_speakers=1: must be a whole number from min_speakers (2)"),
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
        (b"cuts: no\ncuts: \xff", "line 2: is not YAML (invalid start byte: the file must be UTF-8)"),
        ("storage_options: [TOPS3CRET]", "line 1: storage_options: must be a JSON object"),
        ("storage_options: TOPS3CRET", "line 1: storage_options: must be a JSON object, but is not JSON"),
        ("storage_options: {s3: *TOPS3CRET}", "line 1: is not YAML (found undefined alias)"),
        ("storage_options: {s3: 'TOPS3CRET", "line 1: is not YAML ("),
        ("storage_options: &a {s3: *a}", "line 1: storage_options holds itself"),
        ("storage_options: {s3: {a: 1, a: 2}}", "line 1: storage_options has a name twice"),
        (
            f"cuts: no\nstorage_options:\n  {ALIASES}".replace("\na", "\n  a"),
            "line 2: its aliases (*) make more than 100,",
        ),
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


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("overlap_percentage: [0, 50]", (0, 50)),
        ("overlap_percentage: 0, 50", (0, 50)),
        ("overlap_percentage: 5e1", (50.0,)),
        ("selection: [greedy, most_audio]", ("greedy", "most_audio")),
        ("truncation: [yes, no]", (True, False)),
        ("truncation: off", (False,)),
        ("truncation: true,false", (True, False)),
        ("max_gap: [null, 5]", (None, 5)),
        ("max_gap: [none, 5]", (None, 5)),
        ("max_gap: null", (None,)),
        ("max_gap: none,5", (None, 5)),
        ("target_duration: [null, 60]", (None, 60)),
        ("min_metrics: {snr: 1}", ((("snr", 1.0),),)),
        ("min_metrics: [{snr: 1}, {}, {a: 2, b: 3}]", ((("snr", 1.0),), (), (("a", 2.0), ("b", 3.0)))),
        ("min_metrics: [null, 'snr=1,a=2']", ((), (("snr", 1.0), ("a", 2.0)))),
        ("min_metrics: none;snr=1", ((), (("snr", 1.0),))),
        ("min_metrics: {}", ((),)),
    ],
)
def test_a_parameter_of_a_sweep_takes_a_list_of_its_values(text, values):
    stated = parameters_in(root_of(text.encode(), "f"), "f", SweepConfig.every_parameter())
    parser = job_parser("test", "", SweepConfig)
    config = job_config(parser, parser.parse_args(["--input=a", "--output=b"]), SweepConfig, stated)
    assert config.parameters()[text.split(":")[0]] == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("overlap_percentage: [0, 101]", "line 1: overlap_percentage=101: must be a number from 0 to 100"),
        ("overlap_percentage: [0, 0]", "line 1: overlap_percentage=0: must not be given twice"),
        ("overlap_percentage: 0,x", "line 1: overlap_percentage=x: must be a number from 0 to 100"),
        ("overlap_percentage: []", "line 1: overlap_percentage is an empty list: must be a number from 0 to 100"),
        ("min_metrics: []", "line 1: min_metrics is an empty list: must be names with a number each"),
        ("overlap_percentage: [0, null]", "line 1: overlap_percentage has no value; it must be a number from 0 to 100"),
        (
            "overlap_percentage: [[0], 1]",
            "line 1: overlap_percentage: must be a number from 0 to 100, but there is a l",
        ),
        ("min_speakers: [1, 02]", "line 1: min_speakers=02: begins with a 0, by which YAML means an octal number"),
        ("truncation: [true, maybe]", "line 1: truncation=maybe: must be true or false"),
        ("min_metrics: [{win: 1}]", "line 1: min_metrics=win=1.0: must not name 'win'"),
        ("sample: [0.1, 0.2]", "line 1: sample: must be a fraction above 0, at most 1, but there is a list"),
    ],
)
def test_what_is_wrong_in_a_list_of_values_is_told(tmp_path, capfd, text, message):
    told = refused(capfd, sweep.main, "--config", config_file(tmp_path, text), "--input=a", "--output=b")
    assert message in told


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


@pytest.mark.parametrize(
    ("status", "message"),
    [(403, "403, message='Forbidden'"), (500, "500, message='Internal Server Error'"), (404, "does not exist")],
)
def test_a_server_that_refuses_is_told_as_what_it_is(capfd, status, message):
    with web_site(Site(b"", refuses=status)) as site:
        told = refused(capfd, windows.main, f"--config={site.url('c.yaml')}?token=TOPS3CRET")
    assert message in told
    assert ("does not exist" in told) == (status == 404)
    assert "TOPS3CRET" not in told


def test_a_server_that_is_not_reached_is_told(capfd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        told = refused(capfd, windows.main, f"--config=http://127.0.0.1:{taken.getsockname()[1]}/c.yaml")
    assert "Cannot connect to host" in told


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
    assert validate.main(["--config", file, "--json"], "alm-beam validate") == 0
    of_file = json.loads(capfd.readouterr().out)
    assert validate.main([str(source), "--target_window_duration=30", "--json"], "alm-beam validate") == 0
    of_flags = json.loads(capfd.readouterr().out)
    assert of_file["windows"] == of_flags["windows"]
    assert of_file["parameters"] == {**of_flags["parameters"], "cuts": False}
    assert f"--config={file}" in of_file["commands"][0]
    assert "min_speaker is no param" in refused(
        capfd, validate.main, "--config", config_file(tmp_path, "min_speaker: 3"), str(source)
    )
