"""What worked with NeMo Curator's command works with ours: its file, its flags and its overrides."""

import json
from pathlib import Path

import pytest

from alm_beam.cli import measure, validate, windows
from alm_beam.core.config import PARAMETERS
from tests.curator_pipeline import PIPELINE
from tests.manifests import output_entries, write
from tests.transforms.test_one_file import entries_of

REAL = Path(__file__).parents[3] / "shared" / "inputs" / "fetched" / "pipeline.yaml"


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Path:
    """A working directory with a pipeline and a manifest in it."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "m.jsonl")
    (tmp_path / "bench.yaml").write_text(PIPELINE)
    return tmp_path


def shown(capfd, *arguments: str) -> list[str]:
    assert windows.main([*arguments, "--print_config"], "alm-beam windows") == 0
    return capfd.readouterr().out.splitlines()


def refused(capfd, *arguments: str, main=windows.main) -> str:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments], "alm-beam windows")
    assert stopped.value.code == 2
    return capfd.readouterr().err


def test_a_run_writes_what_flags_of_ours_would_to_the_file_that_it_names(bench, capfd):
    assert windows.main(["--config=bench.yaml", "manifest_path=m.jsonl", "output_dir=out"], "alm-beam windows") == 0
    note = capfd.readouterr().err.splitlines()[0]
    assert note == (
        "alm-beam windows: note: bench.yaml: ignored, because they change no result: backend, defaults, documentation, "
        "hydra, stages.0.files_per_partition, stages.1.batch_size"
    )
    flags = [
        "--target_window_duration=60", "--tolerance=0.2", "--min_sample_rate=8000", "--min_bandwidth=3400",
        "--min_speakers=1", "--max_speakers=6", "--no_truncation", "--drop_fields=words,text",
        "--drop_fields_top_level=segments", "--overlap_percentage=10", "--target_duration=55.5",
    ]  # fmt: skip
    assert windows.main(["--input=m.jsonl", "--output=flags", *flags]) == 0
    assert entries_of(bench / "out" / "bench.jsonl") == output_entries(bench / "flags") != []
    assert {path.name for path in (bench / "out").iterdir()} >= {"_SUCCESS", "loss_stats.json", "index"}
    capfd.readouterr()
    told = refused(capfd, "--config=bench.yaml", "manifest_path=m.jsonl", "output_dir=out", "--quiet")
    assert told.startswith("alm-beam windows: error: --output=out: holds a finished run")


@pytest.mark.parametrize(
    "file",
    [
        ("--config", "bench.yaml"),
        ("--config-path", ".", "--config-name", "bench"),
        ("--config-path={}", "--config-name=bench.yaml"),
        ("-cp", ".", "-cn", "bench"),
        ("--config-dir", "{}", "-cn", "bench", "--run"),
        ("-cn", "bench"),
    ],
)
def test_hydras_flags_name_the_file(bench, capfd, file):
    lines = shown(capfd, *(each.format(bench) for each in file), "manifest_path=m.jsonl")
    assert any(line.startswith("min_bandwidth: 3400  # ") for line in lines)


def test_flags_win_over_overrides_and_they_over_the_file(bench, capfd):
    lines = shown(
        capfd, "--no_truncation", "stages.1.min_speakers=3", "--config=bench.yaml", "stages.1.max_speakers=4",
        "--max_speakers", "7", "manifest_path=m.jsonl", "stages.1.truncation=true",
    )  # fmt: skip
    assert "min_speakers: 3  # override stages.1.min_speakers" in lines
    assert "max_speakers: 7  # flag" in lines
    assert "truncation: false  # flag" in lines
    assert "min_bandwidth: 3400  # bench.yaml stages.1.min_bandwidth" in lines
    again = bench / "again.yaml"
    again.write_text("\n".join(lines))
    values = [line.partition("  #")[0] for line in lines]
    assert [line.partition("  #")[0] for line in shown(capfd, f"--config={again}")] == values


@pytest.mark.usefixtures("bench")
def test_our_flags_stand_for_what_the_pipeline_lacks(capfd):
    lines = shown(capfd, "--config=bench.yaml", "--input=m.jsonl", "--output=elsewhere")
    assert "input: [m.jsonl]  # flag" in lines
    assert "output: elsewhere  # flag" in lines
    assert "entries_file: bench.jsonl  # bench.yaml stages.3.output_path" in lines


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--config=bench.yaml",), "error: bench.yaml: manifest_path is missing (???); give it as manifest_path=..."),
        (("--config=bench.yaml", "manifest_path=m", "stages.1.foo=1"), "stages.1.foo: alm-beam has no such parameter"),
        (
            ("--config=bench.yaml", "manifest_path=m", "stages.1.min_speakers=9"),
            "bench.yaml: stages.1.max_speakers=6: must be a whole number from min_speakers (9)",
        ),
        (
            ("--config=bench.yaml", "manifest_path=m.jsonl", "stages.3.output_path=out/loss_stats.json"),
            "--entries_file=loss_stats.json: is a name that files or folders of runs have",
        ),
        (("manifest_path=TOPS3CRET",), "there is an argument that belongs to no flag"),
        (("--config-path=.",), "--config-path and --config-dir name a folder; --config-name is to name the file in it"),
        (("-cp=.", "-cd=.", "-cn=bench"), "--config-path and --config-dir both name a folder; one file is read"),
        (
            ("-cn=bench", "manifest_path=m", "--multirun"),
            "--multirun is Hydra's and asks for several runs; alm-beam swe",
        ),
        (("-m", "-cn=bench", "manifest_path=m"), "-m is Hydra's and asks for several runs"),
        (("-cn=bench", "--cfg", "job"), "--cfg is Hydra's and shows what Hydra reads; --print_config shows all"),
        (("--config=bench.yaml", "-cn", "bench"), "--config and --config-name both name a file"),
        (("--config=flat.yaml", "stages.1.min_speakers=3"), "flat.yaml: is no pipeline of NeMo Curator, which alone"),
        (("-cn", "nosuch"), "--config=nosuch.yaml: does not exist"),
    ],
)
def test_what_does_not_fit_is_told(bench, capfd, arguments, message):
    (bench / "flat.yaml").write_text("input: m.jsonl\noutput: out\n")
    told = refused(capfd, *arguments)
    assert message in told
    assert "TOPS3CRET" not in told
    assert not (bench / "out").exists()


@pytest.mark.usefixtures("bench")
def test_the_other_jobs_say_whose_file_it_is(capfd):
    told = refused(capfd, "--config=bench.yaml", main=measure.main)
    assert "bench.yaml: is a pipeline of NeMo Curator, which alm-beam windows takes" in told


@pytest.mark.usefixtures("bench")
def test_validate_takes_a_pipeline(capfd):
    assert validate.main(["m.jsonl", "--config=bench.yaml", "--json"], "alm-beam validate") == 0
    out, err = capfd.readouterr()
    assert "ignored, because" in err
    parameters = json.loads(out)["parameters"]
    assert (parameters["target_window_duration"], parameters["target_duration"]) == (60, 55.5)
    assert parameters["entries_file"] == "bench.jsonl"


@pytest.mark.skipif(not REAL.is_file(), reason="../shared/inputs/fetched/pipeline.yaml is not there")
def test_curators_own_file_is_taken_as_it_is(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    source = write(tmp_path / "m.jsonl")
    arguments = [
        "--config-path", str(REAL.parent), "--config-name", "pipeline", f"manifest_path={source}", "backend=ray_data",
    ]  # fmt: skip
    assert windows.main(arguments, "alm-beam windows") == 0
    told = capfd.readouterr().err.splitlines()[0]
    names = "backend, defaults, documentation, hydra, stages.0.files_per_partition"
    assert told.endswith(f"ignored, because they change no result: {names}")
    assert windows.main([f"--input={source}", "--output=flags"]) == 0
    assert entries_of(tmp_path / "alm_output" / "alm_output.jsonl") == output_entries(tmp_path / "flags") != []
    capfd.readouterr()
    more = shown(capfd, *arguments, "stages.1.min_speakers=3", "stages.2.overlap_percentage=30")
    assert "min_speakers: 3  # override stages.1.min_speakers" in more
    assert "overlap_percentage: 30  # override stages.2.overlap_percentage" in more
    stated = {line.split(":")[0] for line in more if "pipeline.yaml stages." in line}
    assert {"tolerance", "max_speakers", "truncation", "drop_fields"} <= stated <= {*PARAMETERS}
