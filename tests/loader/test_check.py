"""`alm-beam check-loader` finds nothing in the loader, and each fault that is planted."""

import json
import re
import shutil

import pytest

from alm_beam.cli.main import main
from alm_beam.loader import Partition, WindowLoader, check_static
from alm_beam.loader.check_findings import Check
from alm_beam.storage.index.open import open_index
from tests.loader.cuts import cut, write_cuts, write_lines


@pytest.fixture(autouse=True)
def _processes_find_the_tests(monkeypatch):
    monkeypatch.syspath_prepend(".")


def check(capsys, *arguments: str) -> tuple[int, dict[str, str], str]:
    """Exit code, the result of each check by its name (the worst, if there are several), output."""
    code = main(["check-loader", *map(str, arguments)])
    out, err = capsys.readouterr()
    results: dict[str, str] = {}
    for line in out.splitlines():
        if line.startswith(("ok ", "FAILED ", "- ")):
            result, name, _ = re.split(" {2,}", line, maxsplit=2)
            results[name] = result if results.get(name) != "FAILED" else "FAILED"
    return code, results, out + err


def failed(results: dict[str, str]) -> set[str]:
    return {name for name, result in results.items() if result == "FAILED"}


def test_nothing_is_wrong_with_the_loader(cuts, capsys):
    code, results, out = check(capsys, cuts)
    assert (code, failed(results)) == (0, set()), out
    assert set(results) == {check.value for check in Check}
    assert {name for name, result in results.items() if result == "-"} == {
        Check.SAVED_STATE_FITS.value,
        Check.AUDIO.value,
    }
    assert "100 read, 100 different" in out


def test_nothing_is_wrong_with_a_mixture(cuts, more_cuts, capsys):
    code, _, out = check(capsys, cuts, more_cuts, "--weights=1,2", "--repeat", "--world_size=3", "--num_workers=0")
    assert code == 0, out
    assert "sources are repeated; 'no window comes too often' counts the copies" in out


def test_the_step_at_which_the_first_source_is_read_is_told(cuts, more_cuts, capsys):
    code, _, out = check(capsys, cuts, more_cuts, "--weights=1,1", "--world_size=1", "--num_workers=0")
    assert code == 0, out
    steps = re.search(r"100, 37 windows, 1 processes; the weights hold up to step (\d+) of 137", out)
    assert abs(int(steps[1]) - 2 * 37) <= 2


def test_a_part_of_large_data(cuts, capsys):
    code, results, out = check(capsys, cuts, "--limit=10", "--world_size=1")
    assert code == 0, out
    assert "20 of 100 rows; --limit ended the pass" in out
    assert "--limit: lost windows were not looked for" in out
    assert results[Check.RANKS_EVEN.value] == "-"


FAULTS = {
    "Everywhere": {Check.NOT_TOO_OFTEN, Check.RANKS_DISJOINT, Check.ELASTIC},
    "SharedByRanks": {Check.NOT_TOO_OFTEN, Check.NONE_MISSING, Check.RANKS_DISJOINT, Check.ELASTIC},
    "Twice": {Check.NOT_TOO_OFTEN, Check.RESUMES, Check.ELASTIC},
    "Forgetful": {Check.NONE_MISSING, Check.RESUMES, Check.ELASTIC},
    "ForgetfulLater": {Check.NONE_MISSING},
    "Invented": {Check.WINDOWS_EXIST, Check.NONE_MISSING},
    "Misnamed": {Check.TOKENS_RIGHT},
    "OneLate": {Check.RESUMES, Check.ELASTIC},
    "Overrunning": {Check.RESUMES, Check.ELASTIC},
    "Random": {Check.RESUMES, Check.REPRODUCIBLE, Check.EPOCHS_DIFFER, Check.ELASTIC},
    "SameEpoch": {Check.EPOCHS_DIFFER},
    "ForgetsEpochs": {Check.EPOCHS_DIFFER},
    "Trusting": {Check.OTHER_STATES_REFUSED},
    "NoElastic": {Check.ELASTIC},
    "Assuming": {Check.PARTITION_REQUIRED},
    "Lossy": {Check.STATE_SURVIVES_JSON},
    "Uneven": {Check.RANKS_EVEN},
    "Broken": {Check.PROCESSES_READ},
}
"""By the planted fault the checks that it must fail, the one that it is for among them."""


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_found(cuts, capsys, fault):
    code, results, out = check(capsys, cuts, f"--loader=tests.loader.faulty:{fault}", "--num_workers=0")
    assert code == 1
    assert {check.value for check in FAULTS[fault]} <= failed(results), out


def test_evidence_and_five_examples(cuts, capsys):
    _, _, out = check(capsys, cuts, "--loader=tests.loader.faulty:SharedByRanks", "--num_workers=0")
    assert "FAILED  no window is missing" in out
    assert "50 of 100 rows; faults: 50" in out
    lines = out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("FAILED  no two ranks"))
    assert all(line.endswith("by ranks 0, 1") for line in lines[at + 1 : at + 6])
    assert lines[at + 6].strip() == "and 45 more"


def test_the_index_must_have_every_line(tmp_path, capsys):
    """A line that was rewritten at the same length, in a file that kept its time, beyond the sampled ones."""
    folder = tmp_path / "cuts"
    write_cuts(folder, [cut(number) for number in range(5000)])
    path = folder / "cuts-00000-of-00001.jsonl"
    content = path.read_bytes()
    for number in range(5000):
        path.write_bytes(content.replace(f'"word {number}"'.encode(), f'"wurd {number}"'.encode()))
        shutil.copystat(folder / "index" / "index.json", path)
        code, results, out = check(capsys, folder, "--world_size=1", "--num_workers=0", "--limit=1")
        if "is not the one that was indexed" not in out or results:
            break
    assert code == 1
    assert results[Check.INDEX_COMPLETE.value] == "FAILED"
    assert "faults: 1" in out


@pytest.mark.parametrize("size", [[], ["--world_size=1", "--num_workers=0"]], ids=["2 ranks", "1 rank"])
def test_a_window_that_is_in_the_index_twice_is_a_failure(tmp_path, capsys, size):
    """50 lines of 49 windows in two shards; and one window three times."""
    lines = [json.dumps(cut(number)).encode() for number in range(49)]
    folder = write_lines(tmp_path / "cuts", [*lines, lines[7]], shards=2)
    code, results, out = check(capsys, folder, *size)
    assert code == 1
    assert {Check.NONE_REPEATED.value, Check.NOT_TOO_OFTEN.value} <= failed(results)
    assert failed(results) <= {each.value for each in (Check.NONE_REPEATED, Check.NOT_TOO_OFTEN, Check.RANKS_DISJOINT)}
    assert "50 rows, 49 different windows; faults: 1" in out
    assert "epoch 0: 50 read, 49 different; faults: 1" in out
    assert "50 of 50 rows" in out
    assert re.search(r"row \d+, cuts-0000\d-of-00002.jsonl at byte [\d,]+: is the window of row \d+, cuts-0", out)
    thrice = write_lines(tmp_path / "more", [*lines, *[lines[7]] * 2])
    _, _, out = check(capsys, thrice, "--world_size=1", "--num_workers=0")
    assert "51 rows, 49 different windows; faults: 2" in out
    assert "epoch 0: 51 read, 49 different; faults: 1" in out


def test_equal_rows_at_the_end_of_a_block_are_found(tmp_path, monkeypatch):
    lines = [json.dumps(cut(number)).encode() for number in range(10)]
    index = open_index(write_lines(tmp_path / "cuts", lines * 2))
    for rows in (1, 2, 3, 7, 100):
        monkeypatch.setattr(check_static, "_ROWS_AT_A_TIME", rows)
        assert check_static._repeated_rows(index) == list(range(1, 20, 2))


def test_windows_must_have_texts(tmp_path, capsys):
    spoken = [{"text": "yes"}, {"text": 3}], [{"text": None}], [], [{"text": "yes"}, {}]
    lines = [
        json.dumps({"duration": 1.0, "id": number, "supervisions": each}).encode() for number, each in enumerate(spoken)
    ]
    folder = write_lines(tmp_path / "cuts", lines)
    small = ("--world_size=1", "--num_workers=0")
    code, results, out = check(capsys, folder, *small)
    assert (code, failed(results)) == (1, {Check.TEXTS.value})
    assert "text is 3" in out
    assert "4 windows, supervisions[].text; faults: 3" in out
    assert check(capsys, folder, *small, "--text_field=")[0] == 0


def test_small_sources_are_named(tmp_path, capsys):
    folder = write_cuts(tmp_path / "cuts", [cut(number) for number in range(3)])
    code, results, out = check(capsys, folder)
    assert (code, failed(results)) == (1, {Check.SOURCES_LARGE_ENOUGH.value})
    assert "source 0 has 3 windows for 4 processes" in out


def test_a_saved_state(cuts, more_cuts, tmp_path, capsys):
    saved = tmp_path / "state.json"
    states = []
    for rank in range(2):
        loader = WindowLoader(cuts, partition=Partition(rank, 2))
        next(iter(loader))
        states.append(loader.state_dict())
    saved.write_text(json.dumps(states))
    small = ("--world_size=1", "--num_workers=0", f"--state={saved}")
    code, results, out = check(capsys, cuts, *small)
    assert (code, results[Check.SAVED_STATE_FITS.value]) == (0, "ok")
    assert "epoch 0, 2 windows read" in out
    code, results, out = check(capsys, more_cuts, *small)
    assert (code, failed(results)) == (1, {Check.SAVED_STATE_FITS.value})
    assert "sources[0].rows: 100 in the state, 37 here" in out


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["none"], 1, "there is no index"),
        (["DIR", "--weights=1,x"], 2, "--weights=1,x: must be numbers"),
        (["DIR", "--weights="], 2, "must be numbers"),
        (["DIR", "--weights=1,2"], 2, "--weights: 2 weights for 1 folders"),
        (["DIR", "--weights=nan"], 2, "must be a number above 0, at most 1e+100"),
        (["DIR", "DIR", "--weights=1,1e9"], 2, "the weight of source 0 is 1.0, less than 1/65536"),
        (["DIR", "--repeat"], 2, "--repeat: repeats sources so that their weights hold"),
        (["DIR", "--world_size=0"], 2, "--world_size=0: must be at least 1"),
        (["DIR", "--world_size=100000000"], 2, "--world_size=100000000: must be at most 1,048,576"),
        (["DIR", "--num_workers=129"], 2, "--num_workers=129: must be at most 128"),
        (["DIR", "--limit=-1"], 2, "--limit=-1: must be at least 0"),
        (["DIR", "--seed=x"], 2, "invalid int value: 'x'"),
        (["DIR", "--state=none.json"], 2, "--state=none.json: No such file or directory"),
        (["DIR", "--state=pyproject.toml"], 2, "--state=pyproject.toml: is no JSON"),
        (["DIR", "--loader=no_module:x"], 2, "--loader=no_module:x: ModuleNotFoundError: No module named 'no_module'"),
        (["DIR", "--loader=json:x"], 2, "--loader=json:x: json has no function 'x'"),
        (["DIR", "--loader=json"], 2, "--loader=json: json has no function ''"),
        (["DIR", "--loader="], 2, "--loader=: ValueError: Empty module name"),
        (["DIR", "--loader=json:loads"], 2, "--loader=json:loads: TypeError: "),
        (["DIR", "--storage_options=x"], 2, "--storage_options: "),
        (["DIR", "--workers=0"], 2, "unknown argument --workers"),
    ],
)
def test_what_cannot_be_tried(cuts, capsys, arguments, code, why):
    try:
        found = main(["check-loader", *(cuts if each == "DIR" else each for each in arguments)])
    except SystemExit as stopped:
        found = stopped.code
    assert found == code
    assert why in capsys.readouterr().err


def test_what_data_hold_is_printed_as_it_is(tmp_path, capsys):
    """Brackets are no markup, and nothing moves the cursor of a terminal."""
    spoken = [{"text": "yes", "[red]text\x1b[2J": 3}]
    lines = [json.dumps({"duration": 1.0, "id": number, "supervisions": spoken}).encode() for number in range(4)]
    folder = write_lines(tmp_path / "[bold]cuts[/]", lines)
    small = ("--world_size=1", "--num_workers=0")
    _, _, out = check(capsys, folder, *small, "--text_field=[red]text\x1b[2J")
    assert "[bold]cuts[/]: 4 rows, 1 shards, 4 lines" in out
    assert r"source 0 row 0: [red]text\x1b[2J is 3" in out
    assert "\x1b" not in out
