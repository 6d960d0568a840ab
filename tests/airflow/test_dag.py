"""What the DAG says without a run of the job: its params, and the command or the request that it makes of them."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httplib2
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.exceptions import AirflowException
from airflow.providers.google.cloud.hooks.dataflow import DataflowHook
from airflow.sdk import DAG, timezone
from airflow.serialization.definitions.operatorlink import XComOperatorLink
from airflow.serialization.serialized_objects import DagSerialization
from pendulum import DateTime

from tests.airflow.conftest import REPOSITORY
from tests.airflow.runs import DATE, FOLDER, JOB_PYTHON, settings

DAGS = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
NOT_PARAMS = {"overwrite", "repeat_factor"}
"""Flags of the jobs: one that each try decides, and one for scale tests."""

CONFIGS = {
    "windows": "core.config:JobConfig",
    "measure": "core.measure_config:MeasureConfig",
    "shards": "core.shards_config:ShardsConfig",
    "sweep": "core.sweep_config:SweepConfig",
}
"""Where the flags of each job stand, in alm_beam."""


def dag_bag(monkeypatch: pytest.MonkeyPatch, folder: Path, **own: Any) -> DagBag:
    for name, value in settings(folder, **own).items():
        monkeypatch.setenv(name, value)
    return DagBag(DAGS)


def dag(monkeypatch: pytest.MonkeyPatch, folder: Path, job: str = "windows", **own: Any) -> DAG:
    bag = dag_bag(monkeypatch, folder, job=job, **own)
    assert not bag.import_errors
    return bag.dags[f"alm_beam_{job}"]


def run(dag: DAG, **conf: Any) -> str:
    """The state in which a run ends."""
    return dag.test(logical_date=timezone.parse(DATE), run_conf=conf).state


def in_the_job(code: str, given: Any = None) -> Any:
    """What code prints, as JSON, in the interpreter that has alm_beam."""
    done = subprocess.run([JOB_PYTHON, "-c", code], input=json.dumps(given), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_it_imports_clean_without_any_setting(monkeypatch):
    for name in CONFIGS:
        monkeypatch.delenv(f"AIRFLOW_VAR_ALM_BEAM_{name.upper()}", raising=False)
    bag = DagBag(DAGS)
    assert bag.import_errors == {}
    assert bag.captured_warnings == {}
    assert sorted(bag.dags) == ["alm_beam_measure", "alm_beam_shards", "alm_beam_sweep", "alm_beam_windows"]
    for each in bag.dags.values():
        assert {task.task_id for task in each.tasks} == {"choose_runner", "run_beam", "run_on_dataflow"}
        assert each.timetable.expression == "0 0 * * *"


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"overlap_percent": 50}, "unknown overlap_percent"),
        ({"overlap_percentage": 150}, "Invalid input for param overlap_percentage: 150 is greater"),
        ({"runner": "spark"}, "Invalid input for param runner"),
        ({"output": "/data/windows"}, "Invalid input for param output"),
    ],
)
def test_a_wrong_setting_is_an_import_error_that_names_it(monkeypatch, tmp_path, own, said):
    (error,) = dag_bag(monkeypatch, tmp_path, **own).import_errors.values()
    assert said in error


@pytest.mark.parametrize("job", [*CONFIGS])
def test_params_are_the_flags_of_the_job_with_its_defaults(monkeypatch, tmp_path, job):
    module, name = CONFIGS[job].split(":")
    flags = in_the_job(
        f"import json; from alm_beam.{module} import {name} as config\n"
        "print(json.dumps({name: getattr(each, 'of', each).default for name, each in config.every_parameter().items()},"
        " default=lambda names: ','.join(sorted(names, reverse=True))))"
    )
    params = dag(monkeypatch, tmp_path, job).params
    names = in_dag(f"{job.upper()}_FLAGS")
    assert names.keys() == flags.keys() - NOT_PARAMS | {"config"}
    assert params["config"] is None
    for name in names.keys() - {"input", "output", "config"}:
        assert params[name] == flags[name], name
        assert type(params[name]) is type(flags[name]), name


def in_dag(name: str) -> dict[str, Any]:
    """A table of the DAG's file."""
    names: dict[str, Any] = {"__name__": __name__}  # of a module that is there, as dataclasses want it
    exec(compile((DAGS / "alm_beam_windows.py").read_text(), "alm_beam_windows.py", "exec"), names)
    return names[name]


EDGES = {
    "default_sample_rate": ([None, 8000, 44100.5], [0, -1]),
    "default_bandwidth": ([0, 8000], [-1]),
    "skip_no_speaker": ([True, False], ["maybe"]),
    "speaker_separator": ([None, ",", " & "], [""]),
    "target_window_duration": ([0.001, 1_000_000_000], [0, -1, 1_000_000_001, None, "60"]),
    "tolerance": ([0, 0.999], [-0.001, 1]),
    "min_sample_rate": ([0, 44100.5], [-1, 1_000_000_001]),
    "min_bandwidth": ([0, 3400], [-1, 1_000_000_001]),
    "min_speakers": ([1, 5], [0, 1.5]),
    "max_speakers": ([2, 1_000_000_000], [0, 2.5, 1_000_000_001]),
    "truncation": ([True, False], ["maybe", 1]),
    "drop_empty_truncations": ([True, False], ["maybe"]),
    "max_gap": ([None, 0, 5], [-1]),
    "min_speech": ([0, 1, 0.5], [-0.1, 1.1]),
    "max_speaker_share": ([1, 0.8], [0, 1.1]),
    "min_metrics": ([None, "pesq_squim=2.5,stoi_squim=0.8"], [2.5]),
    "max_metrics": ([None, "wer.wer=0.3"], [0.3]),
    "require_metrics": ([True, False], ["maybe"]),
    "candidates": (["longest", "all"], ["some", ""]),
    "selection": (["greedy", "most_audio"], ["best"]),
    "compare_selection": ([None, True, False], ["maybe"]),
    "overlap_percentage": ([0, 100, 33.3], [-1, 100.1]),
    "target_duration": ([None, 60, 0.5], [0, 1_000_000_001]),
    "drop_fields": (["", "words,text"], []),
    "drop_fields_top_level": (["", "words"], []),
    "entries": ([True, False], ["maybe"]),
    "candidate_windows": ([True, False], ["maybe"]),
    "report": ([True, False], ["maybe"]),
    "cuts": ([True, False], ["maybe"]),
    "max_line_bytes": ([1000, 10**12], [999, 1.5, 10**12 + 1]),
    "config": ([None, "gs://lake/conf.yaml"], [""]),
    "entries_file": ([None, "all.jsonl"], [""]),
    "audio_root": ([None, "/data/audio"], [""]),
    "bandwidth": ([True, False], ["maybe"]),
    "levels": ([True, False], ["maybe"]),
    "format": (["shar", "nemo", "webdataset", "parquet"], ["tar", ""]),
    "windows_per_shard": ([0, 100], [-1, 1.5, 1_000_000_001]),
    "shard_bytes": ([0, 500_000_000], [-1, 0.5]),
    "order": (["recording", "shuffled"], ["random"]),
    "seed": ([0, 7], [-1]),
    "corpus": ([None, "yodas"], [""]),
    "split": ([None, "train"], [""]),
    "language": ([None, "de"], [""]),
    "audio_format": (["flac", "wav", "opus"], ["mp3"]),
    "sample_rate": ([0, 16000, 768_000], [-1, 44100.5, 768_001]),
    "channels": (["mono", "keep"], ["stereo"]),
    "pad": ([0, 0.1], [-0.1, None]),
    "num_shards": ([0, 7], [-1, 1.5]),
    "max_reject_fraction": ([0, 1, 0.5], [-0.1, 1.1]),
    "aim": (["distinct_hours", "kept_hours"], ["hours"]),
    "sample": ([1, 0.01], [0, 1.1]),
}
SEVERAL = {
    "target_window_duration": ([30, "60", "30,60.5"], [0, "30,", ""]),
    "truncation": ([True, "true,false"], ["maybe", "true,maybe"]),
    "max_gap": ([None, 5, "none,5"], [-1, ",5"]),
    "candidates": (["longest", "longest,all"], ["longest,some"]),
    "min_metrics": ([None, "pesq=2;pesq=3"], [2.5]),
}
"""The same of parameters that have several values in a sweep."""


def test_the_edges_of_every_param_are_tried():
    names = {name for job in CONFIGS for name in in_dag(f"{job.upper()}_FLAGS")}
    assert EDGES.keys() == names - {"input", "output", "storage_options"}


@pytest.mark.parametrize("job", [*CONFIGS])
def test_params_and_job_refuse_the_same_values(job):
    flags = in_dag(f"{job.upper()}_FLAGS")
    tried = EDGES | SEVERAL if job == "sweep" else EDGES
    edges = {name: edge for name, edge in tried.items() if name in flags}
    values = [
        (name, value, is_good) for name, edge in edges.items() for is_good, each in zip((1, 0), edge) for value in each
    ]
    module, config = CONFIGS[job].split(":")
    as_text = in_dag("_as_text")
    by_job = in_the_job(
        "import json, sys; from alm_beam.cli.flags import job_config, job_parser\n"
        f"from alm_beam.{module} import {config} as config\n"
        "def takes(name, text):\n"
        "    parser = job_parser('x', '', config)\n"
        "    flag = [] if text is None else [f'--{name}={text}']\n"
        "    try: job_config(parser, parser.parse_args(['--input=i', '--output=o', *flag]), config)\n"
        "    except SystemExit: return False\n"
        "    return True\n"
        "print(json.dumps([takes(*each) for each in json.load(sys.stdin)]))",
        [(name, None if value is None else as_text(value)) for name, value, _ in values],
    )
    for (name, value, is_good), is_taken in zip(values, by_job, strict=True):
        try:
            flags[name].resolve(value)
        except AirflowException:
            assert not is_good, (name, value)
        else:
            assert is_good, (name, value)
        # What a param refuses for its type, the job may yet take as text.
        assert is_taken or not is_good, (name, value)
        assert not is_taken or is_good or value is None or isinstance(value, str), (name, value)


@pytest.mark.parametrize(
    ("output", "schedule"),
    [
        ("/out/%H", "@daily"),
        ("/out/%d", "@daily"),
        ("/out/%m-%d", "@daily"),
        ("/out/%Y-%m", "@daily"),
        ("%Y", "@hourly"),
    ],
)
def test_intervals_that_would_share_a_folder_are_refused(monkeypatch, tmp_path, output, schedule, capsys):
    assert run(dag(monkeypatch, tmp_path, output=output, schedule=schedule)) == "failed"
    assert "several data intervals would share it" in capsys.readouterr().out


def test_with_a_file_only_params_that_are_not_at_their_defaults_are_given():
    def flags(**given: Any) -> dict[str, str]:
        params = {name: param.value for name, param in in_dag("WINDOWS_FLAGS").items()} | given
        return in_dag("job_flags")(in_dag("WINDOWS"), params, DateTime(2026, 2, 2), DateTime(2026, 2, 3), 1)

    always = {"input": "/data/manifests/2026-02-02", "output": "/data/windows/2026-02-02", "overwrite": "true"}
    file = {"config": "gs://lake/conf.yaml"}
    assert flags(**file, tolerance=0.2) == {**always, **file, "tolerance": "0.2"}
    assert flags().keys() > {*always, "tolerance", "min_speakers"}


def test_a_setting_of_one_dag_is_not_one_of_the_other(monkeypatch, tmp_path):
    (error,) = dag_bag(monkeypatch, tmp_path, job="measure", tolerance=0.2).import_errors.values()
    assert "Airflow Variable alm_beam_measure: unknown tolerance" in error
    bag = dag_bag(monkeypatch, tmp_path, job="measure", levels=True, num_shards=7)
    assert not bag.import_errors
    given = {name: (each.params.get("num_shards"), each.params.get("levels")) for name, each in bag.dags.items()}
    assert given == {"alm_beam_measure": (7, True), "alm_beam_windows": (0, None)} | dict.fromkeys(
        ("alm_beam_shards", "alm_beam_sweep"), (None, None)
    )


class Recorder:
    """Stands for the interpreter of the job: keeps the commands, runs none, and ends with one exit code after another.

    When all codes are used up, the exit code is 0.
    """

    def __init__(self, folder: Path, *codes: int):
        self.path, self._kept = folder / "python", folder / "commands"
        self.path.write_text(
            f'#!/bin/sh\n[ "$1" = -c ] && exec {JOB_PYTHON} "$@"\n'
            f"exec {JOB_PYTHON} -c \"import json, sys; kept = open({str(self._kept)!r}, 'a+'); kept.seek(0);"
            f" code = dict(enumerate({codes})).get(len(kept.readlines()), 0);"
            ' print(json.dumps(sys.argv[1:]), file=kept); sys.exit(code)" "$@"\n'
        )
        self.path.chmod(0o755)

    def commands(self) -> list[list[str]]:
        return [json.loads(line) for line in self._kept.read_text().splitlines()]

    def command(self) -> list[str]:
        (command,) = self.commands()
        return command


def test_the_command_for_flink(monkeypatch, tmp_path):
    recorder = Recorder(tmp_path)
    windows = dag(monkeypatch, tmp_path, python=str(recorder.path), runner="flink", flink_master="flink:8081")
    conf = {"environment_type": "EXTERNAL", "environment_config": "localhost:50000", "parallelism": 4}
    options = {"flink_version": "1.20", "flink_submit_uber_jar": True, "overwrite": False}
    assert run(windows, **conf, beam_options=options, drop_fields="") == "success"
    command = recorder.command()
    assert command[:4] == ["-m", "alm_beam", "windows", "--runner=FlinkRunner"]
    flags = command[4:]
    assert sorted(flags) == sorted(
        [
            *("--flink_master=flink:8081", "--environment_type=EXTERNAL", "--environment_config=localhost:50000"),
            *("--parallelism=4", "--flink_version=1.20", "--flink_submit_uber_jar"),
            *(f"--input={tmp_path}/in/{FOLDER}", f"--output={tmp_path}/out/{FOLDER}", "--overwrite=true"),
            *("--target_window_duration=120.0", "--tolerance=0.1", "--min_sample_rate=16000", "--min_bandwidth=8000"),
            *("--min_speakers=2", "--max_speakers=5", "--truncation=true", "--default_bandwidth=0"),
            *("--skip_no_speaker=false", "--min_speech=0", "--max_speaker_share=1", "--require_metrics=false"),
            *("--drop_empty_truncations=false", "--candidates=longest"),
            *("--selection=greedy", "--overlap_percentage=50"),
            *("--drop_fields=", "--drop_fields_top_level=words,segments", "--entries=true"),
            *("--candidate_windows=true", "--cuts=true", "--report=true", "--max_line_bytes=1073741824"),
            *("--num_shards=0", "--max_reject_fraction=0.01"),
            next(flag for flag in flags if flag.startswith("--labels=airflow-version=")),
        ]
    )
    taken = in_the_job(
        "import json, sys\n"
        "from alm_beam.cli.flags import job_config, job_parser; from alm_beam.core.config import JobConfig\n"
        "from alm_beam.jobs.launch import parsed_options\n"
        "parser = job_parser('x', '', JobConfig); flags, others = parser.parse_known_args(json.load(sys.stdin))\n"
        "job_config(parser, flags, JobConfig); options = parsed_options(others)[0].get_all_options(drop_default=True)\n"
        "print(json.dumps({name: options[name] for name in ('flink_master', 'environment_type', 'parallelism')}))",
        command[3:],
    )
    assert taken == {"flink_master": "flink:8081", "environment_type": "EXTERNAL", "parallelism": 4}


@pytest.mark.parametrize(
    ("job", "codes", "given"),
    [
        ("windows", [1], ["true", "true"]),
        ("windows", [2], ["true", "true"]),
        ("measure", [1], ["true", "false"]),
        ("shards", [137, 1], ["true", "false", "false"]),
        ("shards", [1, 2], ["true", "false", "true"]),  # the first try has ended well, and Airflow did not learn of it
        ("shards", [1, 2, 1], ["true", "false", "true", "false"]),
    ],
)
def test_a_later_try_replaces_what_is_whole_and_goes_on_with_what_is_not(monkeypatch, tmp_path, job, codes, given):
    recorder = Recorder(tmp_path, *codes)
    assert run(dag(monkeypatch, tmp_path, job, python=str(recorder.path), retries=2)) == "success"
    assert [flags_of(command)["overwrite"] for command in recorder.commands()] == given
    others = [{**flags_of(command), "overwrite": ""} for command in recorder.commands()]
    assert all(each == others[0] for each in others)


def test_a_wrong_flag_fails_a_later_try_too(monkeypatch, tmp_path):
    recorder = Recorder(tmp_path, *[2] * 9)
    assert run(dag(monkeypatch, tmp_path, "shards", python=str(recorder.path), retries=1)) == "failed"
    assert [flags_of(command)["overwrite"] for command in recorder.commands()] == ["true", "false", "true"]


def flags_of(command: list[str]) -> dict[str, str]:
    pairs = (flag.removeprefix("--").partition("=") for flag in command if flag.startswith("--"))
    return {name: value for name, _, value in pairs}


def report_link(dag: DAG, task: str, **conf: Any) -> str | None:
    """Where the link to a run's report leads, as Airflow's pages look it up; None where there is no such link."""
    tasks = [each["__var"] for each in DagSerialization.to_dict(dag)["dag"]["tasks"]]
    (links,) = [each.get("_operator_extra_links", {}) for each in tasks if each["task_id"] == task]
    found = dag.test(logical_date=timezone.parse(DATE), run_conf=conf)
    link = XComOperatorLink(name="Report", xcom_key=links.get("Report", ""))
    return link.get_link(dag, ti_key=found.get_task_instance(task).key) if "Report" in links else None


@pytest.mark.parametrize("job", [*CONFIGS])
def test_a_task_that_ended_well_links_its_report(monkeypatch, tmp_path, job):
    recorder = Recorder(tmp_path)
    link = report_link(dag(monkeypatch, tmp_path, job, python=str(recorder.path)), "run_beam")
    assert link == (f"{tmp_path}/out/{FOLDER}/report.html" if job in ("windows", "sweep") else None)


def test_what_failed_or_has_no_report_links_none(monkeypatch, tmp_path):
    own = {"python": str(Recorder(tmp_path, 1).path), "retries": 0}
    assert report_link(dag(monkeypatch, tmp_path, **own), "run_beam") == ""
    assert report_link(dag(monkeypatch, tmp_path, **own), "run_beam", report=False) == ""
    assert report_link(dag(monkeypatch, tmp_path, **own), "run_beam") != ""


class Dataflow:
    """Stands for Dataflow's REST interface: answers requests, and keeps them."""

    def __init__(self, *states: str):
        self.requests: list[tuple[str, str, Any]] = []
        self._states = list(states)

    def request(self, uri: str, method: str = "GET", body: Any = None, **_: Any) -> tuple[httplib2.Response, bytes]:
        self.requests.append((method, uri, json.loads(body) if body else None))
        answer: dict[str, Any] = {
            "id": "job-1",
            "name": "n",
            "projectId": "p",
            "location": "l",
            "type": "JOB_TYPE_BATCH",
        }
        if uri.partition("?")[0].endswith("/messages"):
            answer = {
                "jobMessages": [
                    {"messageImportance": "JOB_MESSAGE_BASIC", "messageText": "Worker pool stopped."},
                    {"messageImportance": "JOB_MESSAGE_ERROR", "messageText": "3 of 3 entries were rejected"},
                ]
            }
        elif method == "POST":
            answer = {"job": {**answer, "currentState": "JOB_STATE_QUEUED"}}
        else:
            answer["currentState"] = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        return httplib2.Response({"status": "200", "content-type": "application/json"}), json.dumps(answer).encode()

    def launches(self) -> list[tuple[str, Any]]:
        """Address and body of each request that starts a job."""
        return [(uri, body) for method, uri, body in self.requests if method == "POST"]

    def launched(self) -> tuple[str, Any]:
        """Address and body of the one request that starts a job."""
        (launch,) = self.launches()
        return launch

    def put_in_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(DataflowHook, "_authorize", lambda hook: self)
        monkeypatch.setattr("airflow.providers.google.cloud.hooks.dataflow.time.sleep", lambda seconds: None)


def test_the_request_to_dataflow(monkeypatch, tmp_path):
    dataflow = Dataflow("JOB_STATE_QUEUED", "JOB_STATE_RUNNING", "JOB_STATE_DONE")
    dataflow.put_in_place(monkeypatch)
    own = {
        "runner": "dataflow",
        "dataflow_template": "gs://bucket/templates/windows.json",
        "dataflow_location": "europe-west4",
        "input": "gs://lake/in/%Y/%m/%d",
        "output": "gs://lake/out/%Y-%m-%d",
        "dataflow_environment": {"maxWorkers": 20, "tempLocation": "gs://bucket/temp"},
    }
    windows = dag(monkeypatch, tmp_path, **own)
    given = {"target_window_duration": 90, "truncation": False, "target_duration": 80.5, "max_reject_fraction": 1e-05}
    assert run(windows, **given) == "success"
    uri, body = dataflow.launched()
    assert re.search("/projects/of-the-connection/locations/europe-west4/flexTemplates:launch", uri)
    assert body == {
        "launchParameter": {
            "jobName": "alm-beam-windows-20260202-0000",
            "containerSpecGcsPath": "gs://bucket/templates/windows.json",
            "environment": {"maxWorkers": 20, "tempLocation": "gs://bucket/temp"},
            "parameters": {
                "input": "gs://lake/in/2026/02/02",
                "output": "gs://lake/out/2026-02-02",
                "overwrite": "true",
                "default_bandwidth": "0",
                "skip_no_speaker": "false",
                "target_window_duration": "90",
                "tolerance": "0.1",
                "min_sample_rate": "16000",
                "min_bandwidth": "8000",
                "min_speakers": "2",
                "max_speakers": "5",
                "truncation": "false",
                "drop_empty_truncations": "false",
                "min_speech": "0",
                "max_speaker_share": "1",
                "require_metrics": "false",
                "candidates": "longest",
                "selection": "greedy",
                "overlap_percentage": "50",
                "target_duration": "80.5",
                "drop_fields": "words",
                "drop_fields_top_level": "words,segments",
                "entries": "true",
                "candidate_windows": "true",
                "cuts": "true",
                "report": "true",
                "max_line_bytes": "1073741824",
                "num_shards": "0",
                "max_reject_fraction": "0.00001",
            },
        }
    }
    assert [uri for method, uri, _ in dataflow.requests if method == "GET" and "/jobs/job-1" in uri]


def test_a_job_that_fails_on_dataflow_fails_the_task_and_its_log_says_why(monkeypatch, tmp_path, capsys):
    dataflow = Dataflow("JOB_STATE_RUNNING", "JOB_STATE_FAILED")
    dataflow.put_in_place(monkeypatch)
    assert run(dag(monkeypatch, tmp_path, runner="dataflow", dataflow_template="gs://b/t.json")) == "failed"
    said = capsys.readouterr().out
    assert re.search(r"\[error *\] Dataflow: 3 of 3 entries were rejected", said)
    assert "Worker pool stopped" not in said
    assert "unexpected terminal state: JOB_STATE_FAILED" in said


@pytest.mark.parametrize(
    ("state", "link"),
    [("JOB_STATE_DONE", f"https://storage.cloud.google.com/lake/{FOLDER}/report.html"), ("JOB_STATE_FAILED", "")],
)
def test_a_job_that_ended_well_on_dataflow_links_its_report(monkeypatch, tmp_path, state, link):
    Dataflow(state).put_in_place(monkeypatch)
    own = {"runner": "dataflow", "dataflow_template": "gs://b/t.json", "output": "gs://lake/%Y-%m-%d", "retries": 0}
    assert report_link(dag(monkeypatch, tmp_path, **own), "run_on_dataflow") == link


@pytest.fixture(scope="module")
def bucket() -> Iterator[tuple[str, str]]:
    """The URL of a GCS server, and that of a bucket there, in which one folder holds a whole result."""
    code = (
        "import sys; from tests.servers.stores import serving\n"
        "with serving('gs') as store:\n"
        f"    bucket = store.bucket(); store.write(f'{{bucket}}/whole/{FOLDER}/_SUCCESS', b'')\n"
        "    print(store.options['endpoint_url'], bucket, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([JOB_PYTHON, "-c", code], cwd=REPOSITORY, stdin=-1, stdout=-1, text=True) as server:
        url, name = server.stdout.readline().split()
        yield url, name
        server.stdin.close()


@pytest.mark.parametrize(
    ("job", "folder", "given"),
    [
        ("shards", "broken", ["true", "false"]),
        ("shards", "whole", ["true", "true"]),
        ("measure", "broken", ["true", "false"]),
        ("windows", "broken", ["true", "true"]),
        ("shards", "s3://elsewhere", ["true", "true"]),
    ],
)
def test_a_later_try_on_dataflow_does_so_too(monkeypatch, tmp_path, bucket, job, folder, given):
    url, name = bucket
    output = folder if "://" in folder else f"{name}/{folder}"
    assert on_dataflow(monkeypatch, tmp_path, url, job, output) == given


def test_a_later_try_makes_all_anew_where_airflow_may_not_look(monkeypatch, tmp_path, capsys):
    class Closed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

    with HTTPServer(("127.0.0.1", 0), Closed) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert on_dataflow(monkeypatch, tmp_path, url, "shards", "gs://closed/out") == ["true", "true"]
        server.shutdown()
    assert f"Airflow cannot look into gs://closed/out/{FOLDER}: 403 GET" in capsys.readouterr().out


def on_dataflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gcs: str, job: str, output: str) -> list[str]:
    """What is given as `--overwrite` when a first try fails and a second one does not."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs)
    dataflow = Dataflow("JOB_STATE_FAILED", "JOB_STATE_DONE")
    dataflow.put_in_place(monkeypatch)
    own = {"runner": "dataflow", "dataflow_template": "gs://b/t.json", "output": f"{output}/%Y-%m-%d", "retries": 1}
    assert run(dag(monkeypatch, tmp_path, job, **own)) == "success"
    return [body["launchParameter"]["parameters"]["overwrite"] for _, body in dataflow.launches()]


def test_dataflow_without_a_template_is_refused(monkeypatch, tmp_path, capsys):
    assert run(dag(monkeypatch, tmp_path, runner="dataflow")) == "failed"
    assert "runner=dataflow needs dataflow_template" in capsys.readouterr().out
