"""The report that a run leaves, and that `alm-beam report` makes again."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from alm_beam.cli.command_line import command_line
from alm_beam.cli.main import main
from alm_beam.core.config import JobConfig, WindowConfig
from alm_beam.core.losses import LossStats
from alm_beam.core.report_stats import ReportStats
from alm_beam.report.report_writer import ReportWriter
from alm_beam.report.reported_run import ReportedRun, reported_run
from alm_beam.report.run_page import render_report
from alm_beam.sample import SHIPPED, sample_entries, write_sample
from tests.manifests import write

VOID = {"meta", "br"}
LONG = "x" * 50_000
NASTY = [
    "<script>alert(1)</script>",
    '"onload="alert(1)" x="',
    "'><img src=x onerror=alert(1)>",
    "]]></style></svg><!--",
    "&lt;&amp;&#0;",
    "\x00\x07\x1b[31m\r\n\t\x7f\x85",
    "\u202e\u2066\u2028\ufeff\ufffe",
    f"<i>{LONG}</i>",
    "<" * 20_000,
]


class Page(HTMLParser):
    """What is in a page: elements, attributes, texts; and whether each element is closed where it has to be."""

    def __init__(self, text: str):
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {(tag, name) for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag in ("h1", "h2", "h3"):
            self.headings.append(tag)
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")


def run(out: Path, *inputs: object, flags: tuple[str, ...] = ()) -> str:
    """Runs the job; gives its report."""
    given = [f"--input={each}" for each in inputs]
    assert main(["windows", *given, f"--output={out}", "--direct_num_workers=1", *flags]) == 0
    return (out / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the sample, with a reject."""
    folder = tmp_path_factory.mktemp("plain")
    bad = write(folder / "bad.jsonl", b'{"segments": 1}\n[]\n')
    run(folder / "out", SHIPPED, bad, flags=("--max_reject_fraction=1",))
    return folder / "out"


def spoiled(value: Any, text: str) -> Any:
    """A JSON value with the text in each string, and as further keys."""
    if isinstance(value, str):
        return text + value
    if isinstance(value, list):
        return [spoiled(each, text) for each in value]
    if isinstance(value, dict):
        return {name: spoiled(each, text) for name, each in value.items()} | (
            {text: text} if "speaker" in value else {}
        )
    return value


def hostile_lines(text: str) -> bytes:
    entries = [*sample_entries(recordings=3, seed=4)]
    for entry in entries:
        entry["segments"] = entry["segments"][:40]
        for segment in entry["segments"]:
            segment.pop("words", None)
    good = [orjson.dumps(spoiled(entry, text)) for entry in entries]
    bad = [orjson.dumps({"segments": text, "audio_sample_rate": 16000}), orjson.dumps(text), b"{" + orjson.dumps(text)]
    speaker = orjson.dumps({"audio_sample_rate": 1, "segments": [{"start": 0, "end": 1, "speaker": {text: text}}]})
    surrogate = json.dumps({"id": "\ud800" + text, **entries[0]}).encode()  # an escape in JSON, half a character
    return b"\n".join([*good, *bad, speaker, surrogate]) + b"\n"


def test_a_manifest_with_markup_and_control_characters_in_every_string(plain, tmp_path):
    manifest = write(tmp_path / "<b>\u202e&\"'\x01.jsonl", b"".join(map(hostile_lines, NASTY)))
    flags = (
        "--max_reject_fraction=1",
        "--target_window_duration=30",
        "--min_speakers=1",
        "--min_bandwidth=0",
        "--min_metrics=<script>x=3",
        "--speaker_separator=<i>",
    )
    written = run(tmp_path / "out<b>", manifest, flags=flags)
    assert len(written.encode()) < 1_000_000
    hostile, usual = Page(written), Page((plain / "report.html").read_text(encoding="utf-8"))
    assert hostile.names <= usual.names
    assert hostile.attributes <= usual.attributes
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe]", written)
    assert "<script>alert(1)</script>" in hostile.text
    assert "\\u202e" in hostile.text
    stats = json.loads((tmp_path / "out<b>" / "loss_stats.json").read_bytes())
    assert stats["recordings"] >= 25
    assert stats["filtered_windows"] > 0
    assert stats["rejected"] >= 30
    assert main(["report", str(tmp_path / "out<b>")]) == 0
    assert (tmp_path / "out<b>" / "report.html").read_text(encoding="utf-8") == written


def test_a_page_has_landmarks_headings_captions_and_texts_for_its_drawings(plain):
    written = (plain / "report.html").read_text(encoding="utf-8")
    page = Page(written)
    assert page.headings[0] == "h1"
    assert page.headings.count("h1") == 1
    assert page.headings.count("h2") == 7
    assert {"header", "nav", "main", "section", "figure", "figcaption", "caption"} <= page.names
    assert len(page.ids) == len({*page.ids})
    assert {*re.findall(r'href="#([^"]*)"', written)} <= {*page.ids}
    assert len(re.findall(r'<svg [^>]*role="img"[^>]*><title>[^<]+</title><desc>[^<]+</desc>', written)) == len(
        re.findall(r"<svg(?![^>]*aria-hidden)", written)
    )
    assert not re.search(r"https?:|//|url\(|@import|<link|<script|src=", written.replace("file://", ""))


def test_the_figures_are_those_of_the_run(plain):
    text = Page((plain / "report.html").read_text(encoding="utf-8")).text
    stats = json.loads((plain / "loss_stats.json").read_bytes())
    assert f"5 recordings of {stats['audio_dur'] / 3600:,.2f} h gave {stats['filtered_windows']} windows" in text
    for told in (
        "--min_bandwidth=8000",
        "--tolerance=0.1",
        "segments_not_list",
        "not_object",
        "alm-beam windows --input=",
    ):
        assert told in text
    assert f"{stats['lost_win']:,}" in text


def test_a_run_has_no_report_where_none_is_asked_for(tmp_path, capsys):
    flags = ("--no_report", "--direct_num_workers=1")
    assert main(["windows", f"--input={SHIPPED}", f"--output={tmp_path / 'out'}", *flags]) == 0
    assert not [*(tmp_path / "out").glob("report*")]
    assert "report:" not in capsys.readouterr().out
    assert main(["report", str(tmp_path / "out")]) == 0
    text = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8")).text
    assert "This run has no report_stats.json" in text
    assert "--min_bandwidth=8000" in text


def test_the_page_is_the_same_on_one_process_and_on_two(tmp_path, capsys):
    write_sample(str(tmp_path / "in"), recordings=60, seed=5)
    pages = []
    for mode in ("in_memory", "multi_processing"):
        flags = (
            f"--direct_running_mode={mode}",
            "--direct_num_workers=2",
            f"--output={tmp_path / 'out'}",
            "--overwrite",
        )
        assert main(["windows", f"--input={tmp_path / 'in'}", *flags]) == 0
        pages.append((tmp_path / "out" / "report.html").read_text(encoding="utf-8").replace(mode, ""))
        assert f"report: {tmp_path / 'out'}/report.html" in capsys.readouterr().out
    assert pages[0] == pages[1]


def test_runs_side_by_side(plain, tmp_path, capsys):
    run(tmp_path / "b", SHIPPED, flags=("--target_window_duration=30", "--min_speech=0.5"))
    output = tmp_path / "new" / "compared.html"
    assert main(["report", str(plain), str(tmp_path / "b"), f"--output={output}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"report: {output}"
    assert main(["report", str(plain), f"--output={output}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"output": str(output)}
    assert main(["report", str(plain), str(tmp_path / "b"), f"--output={output}"]) == 0
    page = Page(output.read_text(encoding="utf-8"))
    assert "Training windows of 2 runs" in page.text
    assert "too little speech" in page.text
    first = page.text.partition("those that differ come first")[2]
    assert first.index("--target_window_duration") < first.index("--tolerance")


def test_what_cannot_be_reported(plain, tmp_path, capsys):
    for arguments, told in (
        ([str(plain), str(plain)], "the page of several runs needs --output=FILE"),
        ([str(plain), "--output=pages/"], "must be a file"),
        ([], "DIR"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["report", *arguments])
        assert stopped.value.code == 2
        assert told in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 1
    assert f"{tmp_path} has no loss_stats.json: name a folder that alm-beam windows has" in capsys.readouterr().err
    for name, content in (
        ("loss_stats.json", b"[1]"),
        ("report_stats.json", b'{"recordings": 1'),
        ("report_stats.json", b"{}"),
    ):
        for file in ("loss_stats.json", "report_stats.json"):
            (tmp_path / file).write_bytes((plain / file).read_bytes())
        (tmp_path / name).write_bytes(content)
        assert main(["report", str(tmp_path)]) == 1
        assert f"{tmp_path}: {name} is not what alm-beam windows writes" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("file", "changes", "told"),
    [
        ("loss_stats.json", {"audio_dur": "5"}, "must be a number, at least 0 - at `$.audio_dur`"),
        ("loss_stats.json", {"audio_dur": -5}, "must be a number, at least 0 - at `$.audio_dur`"),
        ("loss_stats.json", {"recordings": None}, "must be a whole number, at least 0 - at `$.recordings`"),
        ("loss_stats.json", {"lost_bw": 1.5}, "must be a whole number, at least 0 - at `$.lost_bw`"),
        ("loss_stats.json", {"dur_lost_x": True}, "must be a number, at least 0 - at `$.dur_lost_x`"),
        ("loss_stats.json", {"rejected_by_reason": {"a": "b"}}, "at least 0 - at `$.rejected_by_reason.a`"),
        ("loss_stats.json", {"parameters": [1]}, "must be a JSON object - at `$.parameters`"),
        ("loss_stats.json", {"version": 1}, "must be a text - at `$.version`"),
        ("loss_stats.json", None, "it has no `recordings`"),
        ("report_stats.json", {"recordings": 7}, "it is of another run: loss_stats.json is of 5 recordings"),
        ("report_stats.json", {"command": 7}, "must be a text - at `$.command`"),
        ("report_stats.json", {"lost_most": [{"name": 5}]}, "at `$.lost_most[0]"),
        ("report_stats.json", {"distributions": {"yield": {"edges": [], "counts": []}}}, "at `$.distributions.yield`"),
        ("report_stats.json", {"distributions": {"yield": {"edges": [0, 1, 2], "counts": [1]}}}, "1 counts do not fit"),
        ("report_stats.json", {"distributions": {"yield": {"edges": ["a"], "counts": [1]}}}, "`int | float`"),
        ("report_stats.json", {"distributions": {"yield": {"edges": [1, 0], "counts": [1]}}}, "have to ascend"),
        ("report_stats.json", None, "missing required field `recordings`"),
    ],
)
def test_files_that_are_not_ours_are_named_with_the_place(plain, tmp_path, capsys, file, changes, told):
    for name in ("loss_stats.json", "report_stats.json"):
        held = json.loads((plain / name).read_bytes())
        if name == file:
            held = {} if changes is None else held | changes
        (tmp_path / name).write_bytes(orjson.dumps(held))
    assert main(["report", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path}: {file} is not what alm-beam windows writes (" in said
    assert told in said
    assert said.count("\n") == 1


def test_parameters_that_are_none_of_ours_are_shown_as_they_are(plain, tmp_path):
    held = json.loads((plain / "loss_stats.json").read_bytes())
    held["parameters"] |= {"min_metrics": 5, "input": 7, "output": [1], "tolerance": "x", "selection": {"a": None}}
    (tmp_path / "loss_stats.json").write_bytes(orjson.dumps(held))
    assert main(["report", str(tmp_path)]) == 0


def test_a_run_with_too_many_rejects_has_a_report(tmp_path):
    bad = write(tmp_path / "bad.jsonl", b"[]\n" * 3)
    flags = (f"--output={tmp_path / 'out'}", "--direct_num_workers=1")
    assert main(["windows", f"--input={bad}", *flags]) == 1
    text = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8")).text
    assert "no windows: every entry was rejected" in text
    assert "expected a JSON object, found list" in text
    assert main(["windows", f"--input={SHIPPED}", *flags]) == 0
    assert main(["windows", f"--input={bad}", *flags, "--overwrite"]) == 1
    assert "not_object" in (tmp_path / "out" / "failed_run" / "report.html").read_text(encoding="utf-8")
    assert "not_object" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_overwriting_without_a_report_leaves_none_of_the_earlier_run(tmp_path):
    run(tmp_path, SHIPPED)
    assert main(["windows", f"--input={SHIPPED}", f"--output={tmp_path}", "--overwrite", "--no_report"]) == 0
    assert not [*tmp_path.glob("report*")]


def test_the_page_of_a_run_of_nothing():
    config = JobConfig(("in",), "out")
    files = ReportWriter()(
        {
            **LossStats().to_dict(),
            "parameters": json.loads(json.dumps(config.parameters(), default=sorted)),
            "version": "",
        },
        ReportStats(),
    )
    assert "no windows: the input has no entry" in Page(files["report.html"].decode()).text
    loaded = reported_run(orjson.dumps(LossStats().to_dict()), files["report_stats.json"])
    assert loaded.windows == WindowConfig()
    assert Page(render_report([loaded, ReportedRun({})])).names


def test_the_command_is_told_without_secrets(tmp_path):
    page = run(tmp_path, SHIPPED, flags=('--storage_options={"s3": {"secret": "hush-hush"}}',))
    assert "hush-hush" not in page + (tmp_path / "report_stats.json").read_text()
    assert "--storage_options=(not shown)" in Page(page).text.replace("'", "")
    told = command_line("p", ["--s3_secret_access_key", "hush", "--input", "a b,s3://u:pass@lake/x?token=y", "--cuts"])
    assert command_line("p", ["--output=caf\udce9"]) == "p '--output=caf\\udce9'"
    assert told == "p --s3_secret_access_key '(not shown)' --input 'a b,s3://lake/x' --cuts"


@pytest.mark.parametrize(
    "secret",
    [
        ["--azure_connection_string", "AccountKey=HUSH"],
        ["--azure_connection_string=AccountKey=HUSH"],
        ['--environment_config={"env":{"API_TOKEN":"HUSH"}}'],
        ["--s3_session_token", "HUSH", "HUSH"],
        ["--experiments=x=HUSH", "--no_cuts", "HUSH"],
        ["--storage_options", "HUSH"],
        ["+stages.0.storage_options.key=HUSH"],
        ["stages.0.storage_options={key: HUSH}"],
        ["stages.1.max_speakers.x=HUSH", "stages={min_speakers: HUSH}", "~stages.HUSH"],
        ["-cp", "s3://me:HUSH@lake/x", "--config=https://x/y?token=HUSH"],
        ["manifest_path=s3://me:HUSH@lake/x"],
    ],
)
def test_what_is_not_known_to_be_harmless_is_not_told(secret):
    told = command_line("p", [*secret, "--no_cuts", "--direct_num_workers=1", "stages.2.overlap_percentage=30"])
    assert "HUSH" not in told
    assert told.endswith("--no_cuts --direct_num_workers=1 stages.2.overlap_percentage=30")


def test_a_page_takes_the_place_of_earlier_pages_alone(plain, tmp_path, capsys):
    out = tmp_path / "o"
    flags = ("--entries_file=all.txt", "--max_reject_fraction=1")
    run(out, SHIPPED, write(tmp_path / "bad.jsonl", b"[]\n"), flags=flags)
    write(tmp_path / "mine.html", b"<!doctype html>\nmine")
    run(tmp_path / "other", SHIPPED)
    before = {path: path.read_bytes() for path in (*tmp_path.rglob("*"), *plain.rglob("*")) if path.is_file()}
    places = [*out.rglob("*"), *(tmp_path / "other").iterdir(), tmp_path / "mine.html", out / "_SUCCESS", tmp_path]
    absent = [out / "rejects-00007-of-00008.jsonl", tmp_path / "Loss_Stats.json", tmp_path / "_success"]
    for place in [*places, *absent]:
        if place == out / "report.html":
            continue
        with pytest.raises(SystemExit) as stopped:
            main(["report", str(out), f"--output={place}"])
        assert stopped.value.code == 2, place
        assert f"--output={place}: " in capsys.readouterr().err
    for output in (out / "report.html", tmp_path / "new.html", tmp_path / "new.html", tmp_path / "new" / "report.html"):
        assert main(["report", str(out), f"--output={output}"]) == 0
    assert {path: path.read_bytes() for path in before} == before


def test_a_file_that_cannot_be_read_is_not_taken_for_one_that_is_not_there(monkeypatch, capsys):
    copy = MemoryFileSystem()
    url = "memory://reported/run"
    assert main(["windows", f"--input={SHIPPED}", f"--output={url}", "--direct_num_workers=1"]) == 0
    before = copy.cat_file("/reported/run/report.html")
    info = MemoryFileSystem.info

    def denied(fs: MemoryFileSystem, path: str, **options: Any) -> Any:
        if path.endswith(name):
            raise PermissionError("403")
        return info(fs, path, **options)

    monkeypatch.setattr(MemoryFileSystem, "info", denied)
    for name in ("loss_stats.json", "report_stats.json"):
        capsys.readouterr()
        assert main(["report", url]) == 1
        assert f"{url}/{name}: access is denied (403)" in capsys.readouterr().err
    assert copy.cat_file("/reported/run/report.html") == before
    copy.rm("/reported", recursive=True)


def test_a_sweep_has_no_report_of_windows(tmp_path, capsys):
    assert main(["sweep", f"--input={SHIPPED}", f"--output={tmp_path}", "--min_speakers=1,2"]) == 0
    page = (tmp_path / "report.html").read_bytes()
    assert main(["report", str(tmp_path)]) == 1
    assert "holds a sweep, whose report.html the sweep itself makes: run it again" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["report", ""])
    assert "DIR must be a folder, and is empty" in capsys.readouterr().err
    assert (tmp_path / "report.html").read_bytes() == page


def test_credentials_in_ids_labels_paths_and_lines_are_not_shown(tmp_path):
    secret = "s3://me:HUSH@lake/x"
    entries = [*sample_entries(recordings=3, seed=4)]
    for entry, text in zip(entries, (secret, f"see {secret}", f"s3://me:HUSH{'x' * 300}@lake/{'y' * 3000}")):
        entry["id"] = text
        for segment in entry["segments"]:
            segment["speaker"] = f"{text}{segment['speaker']}"
    bad = [{"audio_filepath": secret, "segments": secret}, {"u": f"s3://me:HUSH{'x' * 1000}@lake", "segments": 1}]
    manifest = write(tmp_path / "m.jsonl", b"".join(orjson.dumps(each) + b"\n" for each in [*entries, *bad]))
    page = run(tmp_path / "o", manifest, flags=("--max_reject_fraction=1",))
    stats = (tmp_path / "o" / "report_stats.json").read_text()
    assert "HUSH" not in page + stats
    assert "s3://lake/x" in page
    assert json.loads(stats)["time_lines"]


def test_candidate_windows_are_the_same_in_summary_page_and_sweep(tmp_path, capsys):
    page = Page(run(tmp_path / "o", SHIPPED, flags=("--candidates=all",))).text
    said = capsys.readouterr().out
    stats = json.loads((tmp_path / "o" / "loss_stats.json").read_bytes())
    assert stats["candidates"] > stats["windows"]
    assert re.search(rf"^candidate windows +{stats['candidates']:,}$", said, re.MULTILINE)
    assert re.search(rf"^  of those, the longest of each start +{stats['windows']:,} ", said, re.MULTILINE)
    assert f"candidate windows{stats['candidates']:,}kept windows" in page
    assert main(["sweep", f"--input={SHIPPED}", f"--output={tmp_path / 's'}", "--candidates=all,longest"]) == 0
    rows = json.loads((tmp_path / "s" / "sweep.json").read_bytes())["combinations"]
    assert [row["stats"]["candidates"] for row in rows] == [stats["candidates"], stats["windows"]]
