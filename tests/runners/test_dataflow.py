"""What is refused before it reaches Dataflow, and which image the workers get."""

import pytest
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, WorkerOptions

from alm_beam.cli.windows import main
from alm_beam.core.config import JobConfig
from alm_beam.jobs import launch, run, windows
from alm_beam.runners import dataflow
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.run_folder import RunFolder
from alm_beam.storage.staged_run import StagedRun
from tests.manifests import write

IMAGE = "--sdk_container_image=the-image"


@pytest.mark.parametrize(
    ("runner", "answer"),
    [
        ("DataflowRunner", True),
        ("dataflowrunner", True),
        ("Dataflow", True),
        ("apache_beam.runners.dataflow.dataflow_runner.DataflowRunner", True),
        ("FlinkRunner", False),
        ("DirectRunner", False),
        (None, False),
    ],
)
def test_every_name_that_beam_knows_for_dataflow_is_known(runner, answer):
    options = PipelineOptions([])
    options.view_as(StandardOptions).runner = runner
    assert launch.is_on_dataflow(options) is answer


def refused(capfd, *flags: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["--runner=DataflowRunner", *flags])
    assert stopped.value.code == 2
    return capfd.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("path", ["lake/in", "/lake/in", "file:///lake/in"])
def test_what_only_this_machine_has_is_refused(capfd, path):
    message = f"{path}: is on this machine, where Dataflow's workers do not reach it"
    assert f"--input={message}" in refused(capfd, f"--input=gs://lake/a,{path}", "--output=gs://lake/out", IMAGE)
    assert f"--output={message}" in refused(capfd, "--input=gs://lake/in", f"--output={path}", IMAGE)


def test_workers_without_this_package_are_refused(capfd):
    assert "would not have alm_beam" in refused(capfd, "--input=gs://lake/in", "--output=gs://lake/out")


@pytest.mark.parametrize("flag", [IMAGE, "--setup_file=./setup.py", "--extra_package=alm_beam.tar.gz"])
def test_workers_get_this_package_by_any_of_beams_ways(flag):
    dataflow.prepare(PipelineOptions([flag]))


@pytest.mark.parametrize(("flags", "image"), [((), "the-templates"), ((IMAGE,), "the-image")])
def test_a_templates_image_is_that_of_the_workers_unless_another_is_given(monkeypatch, flags, image):
    monkeypatch.setenv(dataflow.IMAGE_VARIABLE, "the-templates")
    options = PipelineOptions(list(flags))
    dataflow.prepare(options)
    assert options.view_as(WorkerOptions).sdk_container_image == image


def test_an_image_that_was_built_without_its_name_is_no_image(monkeypatch):
    monkeypatch.setenv(dataflow.IMAGE_VARIABLE, "")
    with pytest.raises(ValueError, match="would not have alm_beam"):
        dataflow.prepare(PipelineOptions([]))


def test_a_graph_that_dataflow_would_not_take_is_refused_before_the_output_is_touched(capfd, monkeypatch, gcs):
    manifests = [Manifest(f"gs://lake/in/{hash((n, n)):x}.jsonl", n + 1, ("generation", str(n))) for n in range(5000)]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{gcs.port}")  # Beam looks at the temporary folder
    monkeypatch.setattr(run, "found_manifests", lambda *_: manifests)
    monkeypatch.setattr(RunFolder, "finished_at", lambda _: None)
    monkeypatch.setattr(RunFolder, "prepare", lambda _: pytest.fail("the output was touched"))
    monkeypatch.setattr(dataflow, "MAX_GRAPH_BYTES", 80_000)
    flags = [
        "--input=gs://lake/in",
        "--output=gs://lake/out",
        "--project=the-project",
        "--region=europe-west4",
        f"--temp_location={gcs.bucket()}/tmp",
    ]
    message = refused(capfd, *flags, IMAGE)
    assert "--input=gs://lake/in: names many files, whose list makes a graph of 0." in message
    assert "Join small files" in message


def test_the_graph_grows_by_less_than_120_bytes_with_each_manifest():
    def size(count: int) -> int:
        names = (
            f"gs://the-lake-of-a-company/2026/{n % 12 + 1:02}/manifest-{hash((n, 7)):x}.jsonl" for n in range(count)
        )
        found = [Manifest(name, n + (5 << 20), ("generation", str(10**15 + n**3))) for n, name in enumerate(names)]
        config = JobConfig(input=("gs://lake/in",), output="gs://lake/out")
        staged = StagedRun(RunFolder("gs://lake/out"), "gs://lake/out/beam-temp-alm_beam-1")
        return dataflow.graph_bytes(windows.build(config, found, staged, PipelineOptions([])))

    assert (size(3000) - size(1000)) / 2000 < 120


@pytest.mark.parametrize("runner", [(), ("--runner=DirectRunner",)])
def test_the_local_runner_waits_whatever_it_is_told(tmp_path, capfd, runner):
    flags = [f"--input={write(tmp_path / 'in.jsonl')}", f"--output={tmp_path / 'out'}", *runner]
    assert main([*flags, "--no_wait_until_finish", "--template_location=gs://lake/template"]) == 0
    assert "windows after overlap" in capfd.readouterr().out
    assert (tmp_path / "out" / "_SUCCESS").exists()


@pytest.mark.parametrize(
    ("flags", "answer"),
    [
        (("--runner=DataflowRunner",), True),
        (("--runner=PortableRunner", "--job_endpoint=host:1", "--environment_type=EXTERNAL"), True),
        (("--runner=PortableRunner", "--job_endpoint=host:1", "--environment_type=LOOPBACK"), False),
        (("--runner=PrismRunner",), False),
        (("--runner=FlinkRunner", "--flink_master=[local]"), False),
    ],
)
def test_a_job_that_would_end_with_this_process_is_waited_for(flags, answer):
    assert launch.goes_on_alone(PipelineOptions([*flags, "--no_wait_until_finish"])) is answer
    assert not launch.goes_on_alone(PipelineOptions(list(flags)))
