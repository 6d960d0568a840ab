"""`alm-beam sweep`: its figures are those of single runs, and what it leaves, says and refuses."""

import csv
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

import alm_beam
from alm_beam.cli.main import main
from alm_beam.core.losses import Finding, LossStats
from alm_beam.core.sweep_config import SweepConfig
from alm_beam.jobs.sweep import sweep
from alm_beam.jobs.windows import run
from alm_beam.sample import SHIPPED, write_sample
from tests.core.test_manifest import BAD, entry, segment
from tests.manifests import lines, rejects, write
from tests.schemas import check

TWO_WORKERS = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
ONE_PROCESS = ("--direct_num_workers=1",)


def swept(out: Path, *flags: str) -> int:
    return main(["sweep", f"--output={out}", *flags])


def result(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "sweep.json").read_bytes())
    return found


def figures(stats: LossStats) -> dict[str, Any]:
    """What a sweep states of a run: neither findings nor what another selection would keep."""
    others = {*(each.value for each in Finding), "most_audio_dur"}
    return {name: value for name, value in stats.to_dict().items() if name not in others}


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory) -> Path:
    """Recordings of all kinds: usual and hostile ones, such as cannot be used, and some only by some configurations."""
    folder = tmp_path_factory.mktemp("manifests")
    write_sample(str(folder / "usual.jsonl"), recordings=12, seed=4)
    write_sample(str(folder / "hostile.jsonl"), recordings=6, seed=3, hostile=True)
    turns = ",".join(segment(start=str(4 * n), end=str(4 * n + 4), words="[5]") for n in range(8))
    bad = [text if isinstance(text, bytes) else text.encode() for _, text, _ in BAD[:6]]
    write(folder / "bad.jsonl", b"\n".join([entry().encode(), *bad, entry(turns).encode()]))
    return folder


PLAN: dict[str, Any] = {
    "target_window_duration": [9, 30.5],
    "min_speakers": [1, 2],
    "truncation": [True, False],
    "overlap_percentage": [0, 50],
    "selection": ["greedy", "most_audio"],
    "min_bandwidth": 0,
    "max_reject_fraction": 1,
}


def test_figures_are_those_of_single_runs_to_the_last_bit(manifests, tmp_path):
    told = {"input": str(manifests), "repeat_factor": 2}
    config = SweepConfig.of({**told, **PLAN, "output": str(tmp_path / "sweep")})
    options = PipelineOptions(["--direct_num_workers=1"])  # sums of floats depend on what is added first
    stats = sweep(config, options)
    assert len(stats.rows) == 32
    rejected = set()
    for row in stats.rows[::5]:
        single = run(
            alm_beam.JobConfig.of(
                {**told, **PLAN, **row.parameters, "output": str(tmp_path / "out"), "overwrite": True}
            ),
            options,
        )
        assert figures(row.stats) == figures(single)
        rejected.add(single.rejected.total())
    assert len(rejected) > 1, "a recording can be used by some of them alone"
    assert stats.recordings + stats.rejected.total() == row.stats.recordings + row.stats.rejected.total()
    assert stats.partly_rejected == 2
    assert len(rejects(tmp_path / "sweep")) == stats.rejected.total()
    check("reject", rejects(tmp_path / "sweep"))
    check("sweep", [result(tmp_path / "sweep")])


def test_a_run_leaves_its_files_and_nothing_of_a_recording(tmp_path, capsys):
    out = tmp_path / "out"
    flags = (f"--input={SHIPPED}", "--target_window_duration=30,60", "--overlap_percentage=0,50")
    assert swept(out, *flags) == 0
    assert files(out) == {"sweep.json", "sweep.csv", "report.html", "_SUCCESS"}
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1] == f"output: {out}"
    best = result(out)["combinations"][result(out)["best"]]
    assert shown[-2] == f"  {best['command']}"
    assert shown[-3] == f"most distinct hours: {best['distinct_hours']:.2f} h, by"
    with pytest.raises(SystemExit, match="2"):
        swept(out, *flags)
    assert "holds a finished run" in capsys.readouterr().err
    write(out / "rejects-00000-of-00001.jsonl", b"{}\n")
    assert swept(out, *flags, "--overwrite", "--aim=kept_hours") == 0
    assert files(out) == {"sweep.json", "sweep.csv", "report.html", "_SUCCESS"}
    assert result(out)["aim"] == "kept_hours"


def test_the_command_of_the_best_gives_its_figures(tmp_path):
    source = write(tmp_path / "my files" / "m.jsonl", lines() + b"{\n")
    flags = ["--target_window_duration=30,120", "--truncation=true,false", "--max_gap=none,5", "--min_bandwidth=0"]
    flags += ["--max_reject_fraction=0.5", "--default_bandwidth=9000", "--repeat_factor=2"]
    assert swept(tmp_path / "out", f"--input={source}", *flags, "--min_metrics=none;bandwidth=1") == 0
    found = result(tmp_path / "out")
    for combination in (found["combinations"][found["best"]], found["combinations"][-1]):
        program, *arguments = shlex.split(combination["command"])
        assert program == "alm-beam"
        assert main([*arguments, "--overwrite"]) == 0
        single = LossStats.from_dict(json.loads((tmp_path / "out" / "windows" / "loss_stats.json").read_bytes()))
        assert figures(LossStats.from_dict(combination["stats"])) == figures(single)
        assert combination["kept_hours"] == single.kept_seconds / 3600
        assert combination["distinct_hours"] == single.kept_covered_seconds / 3600
        assert combination["share_kept"] == single.kept_covered_seconds / single.audio_seconds
    assert "--max_gap=5 " in f"{combination['command']} "
    assert "--target_window_duration" not in combination["command"], "it has the default"


def test_the_table_of_the_file_is_that_of_the_json(tmp_path):
    flags = ("--target_window_duration=30,60,120", "--max_gap=none,5", "--min_metrics=pesq=1,wer.wer=2;none")
    assert swept(tmp_path / "out", f"--input={SHIPPED}", *flags) == 0
    with (tmp_path / "out" / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    combinations = result(tmp_path / "out")["combinations"]
    assert len(rows) == len(combinations) == 12
    assert rows[0]["min_metrics"] == "pesq=1.0,wer.wer=2.0"
    for row, each in zip(rows, combinations):
        assert row["target_window_duration"] == str(each["parameters"]["target_window_duration"])
        assert row["max_gap"] == {None: "none", 5: "5"}[each["parameters"]["max_gap"]]
        assert row["command"] == each["command"]
        numbers = {name: each[name] for name in ("kept_hours", "distinct_hours", "share_kept")}
        numbers |= {f"share_{name}": value for name, value in each["lost_shares"].items()}
        numbers |= {name: value for name, value in each["stats"].items() if not isinstance(value, dict)}
        assert {name: float(row[name] or 0) for name in numbers} == numbers


def test_a_sample_is_the_same_on_one_and_two_workers_and_of_any_file(tmp_path):
    content = b"".join(json.dumps({"id": n, **alm_beam_entry(n)}).encode() + b"\n" for n in range(300))
    whole = write(tmp_path / "in.jsonl", content)
    one, two = write(tmp_path / "parts" / "1.jsonl", content[: len(content) // 2]), tmp_path / "parts" / "2.jsonl"
    end = one.read_bytes().rfind(b"\n") + 1
    one.write_bytes(content[:end])
    two.write_bytes(content[end:])
    found = []
    for name, source, how in (("a", whole, ONE_PROCESS), ("b", whole, TWO_WORKERS), ("c", one.parent, ONE_PROCESS)):
        flags = ("--sample=0.1", "--target_window_duration=9,20", "--min_bandwidth=0", *how)
        assert swept(tmp_path / name, f"--input={source}", *flags) == 0
        found.append(result(tmp_path / name))
    counts = [(each["recordings"], each["not_sampled"]) for each in found]
    assert counts[0] == counts[1] == counts[2]
    assert sum(counts[0]) == 300
    assert 10 < counts[0][0] < 60
    for each in found[1:]:
        for one_row, other_row in zip(found[0]["combinations"], each["combinations"], strict=True):
            numbers, others = (dict(row["stats"], rejected_by_reason=0) for row in (one_row, other_row))
            assert numbers == pytest.approx(others)


def alm_beam_entry(number: int) -> dict[str, Any]:
    turns = [{"start": 3.1 * n, "end": 3.1 * n + 2.5, "speaker": "ab"[n % 2]} for n in range(number % 9)]
    return {"audio_sample_rate": 16000, "segments": turns}


def test_a_sample_without_recordings_says_so(tmp_path, capsys):
    assert swept(tmp_path / "out", f"--input={SHIPPED}", "--sample=0.000001") == 0
    shown = capsys.readouterr().out
    assert "0 entries, 0 rejected; not in the sample: 5 of 5" in shown
    assert "note: the sample holds no recording; a greater --sample would" in shown


def test_too_many_rejects_fail_the_run(tmp_path, capsys):
    source = write(tmp_path / "in.jsonl", lines() + b"{\n")
    out, flags = tmp_path / "out", ("--target_window_duration=30,60",)
    assert swept(out, f"--input={source}", *flags) == 1
    assert "1 of 5 entries were rejected (20.00%), more than --max_reject_fraction=0.01" in capsys.readouterr().err
    assert "_SUCCESS" not in files(out)
    assert len(rejects(out)) == 1
    assert swept(out, f"--input={source}", *flags, "--max_reject_fraction=0.2") == 0
    assert "5 entries, 1 rejected" in capsys.readouterr().out
    assert [row["stats"]["rejected"] for row in result(out)["combinations"]] == [1, 1]


def test_entries_that_nobody_can_read_are_counted_for_every_combination(tmp_path):
    source = write(tmp_path / "in.jsonl", b'{"segments": []}\n[]\n')
    flags = ("--max_reject_fraction=1", "--selection=greedy,most_audio")
    assert swept(tmp_path / "out", f"--input={source}", *flags) == 0
    found = result(tmp_path / "out")
    assert [row["stats"]["rejected_by_reason"] for row in found["combinations"]] == [
        {"not_object": 1, "sample_rate_missing": 1}
    ] * 2
    check("sweep", [found])


def test_combinations_that_are_left_out_are_named(tmp_path, capsys):
    assert swept(tmp_path / "out", f"--input={SHIPPED}", "--min_speakers=1,3", "--max_speakers=2,4") == 0
    assert (
        "note: 1 combination was left out, as the values do not go together: max_speakers=2: must be a whole number "
        "from min_speakers (3) to 1000000000\n"
    ) in capsys.readouterr().out
    [left] = result(tmp_path / "out")["left_out"]
    assert left["parameters"] == {"min_speakers": 3, "max_speakers": 2}


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--target_window_duration=30,,60", "--target_window_duration=: there is an empty value"),
        ("--target_window_duration=30,30", "--target_window_duration=30: must not be given twice"),
        ("--tolerance=0.1,x", "--tolerance=x: must be a fraction"),
        ("--no_truncation=maybe", "--truncation=maybe: must be true or false"),
        ("--min_metrics=bw=1", "--min_metrics=bw=1.0: must not name 'bw'"),
        ("--min_speakers=7", "--max_speakers=5: must be a whole number from min_speakers (7)"),
        ("--sample=0", "--sample=0: must be a fraction above 0, at most 1"),
        ("--num_shards=3", "unknown argument --num_shards"),
        ("--default_sample_rate=1,2", "--default_sample_rate=1,2: must be a number of Hz"),
        ("--runner=PrismRunner", "memory:// is within one process"),
    ],
)
def test_what_is_wrong_ends_with_2_and_nothing_is_written(tmp_path, capsys, flag, message):
    output = "memory://sweep/out" if "Prism" in flag else str(tmp_path / "out")
    with pytest.raises(SystemExit, match="2"):
        main(["sweep", f"--input={SHIPPED}", f"--output={output}", flag])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_switches_are_written_as_for_windows(tmp_path):
    assert swept(tmp_path / "out", f"--input={SHIPPED}", "--no_truncation", "--drop_empty_truncations") == 0
    parameters = result(tmp_path / "out")["parameters"]
    assert (parameters["truncation"], parameters["drop_empty_truncations"]) == ([False], [True])


def test_options_of_filesystems_are_not_shown(tmp_path, capsys):
    secret = "hunter2hunter2"
    flags = (f"--input={SHIPPED}", f'--storage_options={{"file": {{"token": "{secret}"}}}}')
    assert swept(tmp_path / "out", *flags) == 0
    shown = capsys.readouterr().out
    assert "(with your --storage_options, which are not shown)" in shown
    assert secret not in shown
    assert not any(secret in path.read_text() for path in (tmp_path / "out").iterdir())


def test_a_folder_takes_the_runs_of_one_job_alone(tmp_path, capsys):
    def windows(out: Path, *flags: str) -> int:
        return main(["windows", f"--input={SHIPPED}", f"--output={out}", *ONE_PROCESS, *flags])

    assert windows(tmp_path / "windows") == 0
    assert swept(tmp_path / "sweep", f"--input={SHIPPED}", *ONE_PROCESS) == 0
    (tmp_path / "sweep" / "_SUCCESS").unlink()
    found = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for flags in ((), ("--overwrite",)):
        with pytest.raises(SystemExit, match="2"):
            swept(tmp_path / "windows", f"--input={SHIPPED}", *flags)
        assert "holds a run of alm-beam windows, and the files of two jobs" in capsys.readouterr().err
        with pytest.raises(SystemExit, match="2"):
            windows(tmp_path / "sweep", *flags)
        assert "holds a run of alm-beam sweep" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == found
