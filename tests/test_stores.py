"""The whole job on object stores: what holds on disk holds there."""

import json
import re
import subprocess
import sys

import pytest

from alm_beam.cli.windows import main as run
from alm_beam.sample import sample_entries
from alm_beam.storage.discovery import Manifest
from alm_beam.storage.index.open import open_index
from alm_beam.storage.lines import lines_in, ranges_of
from alm_beam.storage.run_folder import RunFolder
from tests.manifests import lines, output_entries, write
from tests.runners.test_local import TWO_WORKERS, started
from tests.servers.faults import proxy
from tests.servers.stores import SECRET, Store
from tests.storage.test_compression import COMPRESS

ENTRIES = list(sample_entries(recordings=12, seed=2))


def job(store: Store, source: str, out: str, *flags: str) -> int:
    return run([f"--input={source}", f"--output={out}", store.flag(), *flags])


def entries_in(store: Store, out: str) -> list[dict]:
    shards = [name for name in store.names(out) if name.startswith("alm_output-")]
    found = [json.loads(line) for name in shards for line in store.read(f"{out}/{name}").splitlines()]
    return sorted(found, key=lambda entry: json.dumps(entry, sort_keys=True))


def stats_in(store: Store, out: str) -> dict:
    return json.loads(store.read(f"{out}/loss_stats.json"))


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> list[dict]:
    """The output for ENTRIES, from a run on disk."""
    folder = tmp_path_factory.mktemp("expected")
    assert run([f"--input={write(folder / 'in.jsonl', lines(ENTRIES))}", f"--output={folder / 'out'}"]) == 0
    return output_entries(folder / "out")


@pytest.fixture
def filled(store) -> str:
    """The URL of a bucket with ENTRIES in manifests of several kinds, below `in`."""
    bucket = store.bucket()
    store.write(f"{bucket}/in/a.jsonl", lines(ENTRIES[:3]).replace(b"\n", b"\r\n"))
    store.write(f"{bucket}/in/sub/b.json", lines(ENTRIES[3:6]).rstrip(b"\n"))
    store.write(f"{bucket}/in/sub/c.jsonl.gz", COMPRESS[".gz"](lines(ENTRIES[6:9])))
    store.write(f"{bucket}/in/sub/deep/d.jsonl.zst", COMPRESS[".zst"](lines(ENTRIES[9:])))
    store.write(f"{bucket}/in/notes.txt", b"no manifest")
    store.write(f"{bucket}/in/beam-temp-alm_beam-1/x.jsonl", b"of a crashed run")
    return bucket


COMPLETE = {
    "alm_output-00000-of-00001.jsonl",
    "cuts-00000-of-00001.jsonl",
    "cuts-00000-of-00001.jsonl.idx",
    "index/index.json",
    "index/rows.bin",
    "loss_stats.json",
    "report.html",
    "report_stats.json",
    "_SUCCESS",
}


def test_a_run_from_store_to_store_is_one_on_disk(store, filled, expected, capfd):
    assert job(store, f"{filled}/in", f"{filled}/out") == 0
    assert store.names(f"{filled}/out") == COMPLETE
    assert entries_in(store, f"{filled}/out") == expected
    assert f"output: {filled}/out" in capfd.readouterr().out
    assert stats_in(store, f"{filled}/out")["parameters"]["input"] == [f"{filled}/in"]
    assert stats_in(store, f"{filled}/out")["recordings"] == 12


@pytest.mark.parametrize("pattern", ["in/**/*.json*", "in/a.jsonl,{}/in/sub", "in/*.jsonl,{}/in/s?b/**"])
def test_folders_files_and_globs(store, filled, expected, pattern):
    assert job(store, f"{filled}/{pattern.format(filled)}", f"{filled}/out") == 0
    assert entries_in(store, f"{filled}/out") == expected


def test_from_disk_to_a_store_and_back(store, tmp_path, expected):
    bucket = store.bucket()
    source = write(tmp_path / "in.jsonl", lines(ENTRIES))
    assert job(store, f"file://{source}", f"{bucket}/out", f"--storage_options={json.dumps(store.options)}") == 0
    store.write(f"{bucket}/in.jsonl", lines(ENTRIES))
    assert job(store, f"{bucket}/in.jsonl", f"file://{tmp_path}/out") == 0
    assert entries_in(store, f"{bucket}/out") == output_entries(tmp_path / "out") == expected


def test_bad_entries_are_kept_with_their_url(store, filled):
    url = store.write(f"{filled}/bad.jsonl", lines(ENTRIES[:1]) + b"{\n")
    assert job(store, url, f"{filled}/out", "--max_reject_fraction=0.9") == 0
    [reject] = map(json.loads, store.read(f"{filled}/out/rejects-00000-of-00001.jsonl").splitlines())
    assert (reject["file"], reject["offset"], reject["reason"]) == (url, len(lines(ENTRIES[:1])), "cut_off")


def test_overwriting_leaves_nothing_of_the_old_run_and_all_else(store, filled, expected, capfd):
    out = f"{filled}/out"
    store.write(f"{filled}/bad.jsonl", lines(ENTRIES) + b"{\n")
    assert job(store, f"{filled}/bad.jsonl", out, "--num_shards=5", "--max_reject_fraction=0.9") == 0
    assert sum(name.startswith(("alm_output", "rejects")) for name in store.names(out)) == 6
    store.write(f"{out}/beam-temp-alm_beam-crashed/part", b"x")
    store.write(f"{out}/notes.txt", b"mine")
    with pytest.raises(SystemExit):
        job(store, f"{filled}/in", out)
    assert f"--output={out}: holds a finished run" in capfd.readouterr().err
    assert job(store, f"{filled}/in", out, "--overwrite") == 0
    assert store.names(out) == {*COMPLETE, "notes.txt"}
    assert entries_in(store, out) == expected


def test_publishing_copies_each_shard_once_and_the_marker_comes_last(store, filled):
    with proxy(store.port) as between:
        assert job(store.behind(between.port), f"{filled}/in", f"{filled}/out", "--num_shards=3") == 0
    writes = [request for request in between.requests if request.method in ("PUT", "POST") and "out" in request.path]
    if store.scheme == "s3":
        shards = ("/alm_output-", "/cuts-")
        copies = [each for each in writes if any(map(each.path.__contains__, shards)) and "beam-temp" not in each.path]
    else:
        copies = [each for each in writes if re.search(r"/rewriteTo/.*(alm_output|cuts)-", each.path)]
    assert len(copies) == 9, "the cuts with their .idx"
    puts = [each for each in between.requests if each.method in ("PUT", "POST")]
    removals = ("?delete", "/batch/")  # of what is temporary
    assert [each for each in puts if not any(map(each.path.__contains__, removals))][-1].names("_SUCCESS")
    assert len(between.requests) < 260, f"a small job makes few requests, not {len(between.requests)}"


@pytest.mark.parametrize("num_shards", [0, 3])
def test_no_shard_is_read_back_for_its_index(store, filled, num_shards):
    with proxy(store.port) as between:
        assert job(store.behind(between.port), f"{filled}/in", f"{filled}/out", f"--num_shards={num_shards}") == 0
    gets = [each.path for each in between.requests if each.method == "GET"]
    shards = [path for path in gets if re.search(r"(shards-cuts|out/cuts-|out%2Fcuts-|shards-cuts%2F).*\.jsonl", path)]
    assert any("index-parts" in path for path in gets), "sorted rows are read"
    assert not [path for path in shards if "alt=media" in path or store.scheme == "s3"]
    assert open_index(f"{filled}/out", storage_options={store.scheme: store.options}).rows.size


def test_a_large_manifest_is_read_by_few_requests(store):
    """gcsfs of itself would make one for each read."""
    content = b'{"a": "' + b"x" * 90 + b'"}\n'
    url = store.write(f"{store.bucket()}/m.jsonl", content * 200_000)
    with proxy(store.port) as between:
        behind = store.behind(between.port)
        ranges = list(ranges_of([Manifest(url, 20_000_000)]))
        assert sum(1 for each in ranges for _ in lines_in(each, {store.scheme: behind.options})) == 200_000
    assert len(between.requests) <= 4 * len(ranges)


def test_several_workers_that_are_forks(store, filled, expected):
    """fsspec's thread and its connections do not survive a fork: each worker has to have its own."""
    out = f"{filled}/out"
    process = started(f"--input={filled}/in", f"--output={out}", store.flag(), "--repeat_factor=4", *TWO_WORKERS)
    printed, errors = process.communicate(timeout=600)
    assert (process.returncode, printed.splitlines()[-1]) == (0, "2"), errors
    assert "Unclosed" not in errors
    assert stats_in(store, out)["recordings"] == 48
    assert entries_in(store, out) == sorted(expected * 4, key=lambda entry: json.dumps(entry, sort_keys=True))


def test_several_workers_that_are_no_forks(store, filled, expected):
    code = (
        "import sys, threading, time; threading.Thread(target=time.sleep, args=(999,), daemon=True).start()\n"
        "from alm_beam.cli.windows import main as run; sys.exit(run(sys.argv[1:]))"
    )
    flags = [f"--input={filled}/in", f"--output={filled}/out", store.flag(), *TWO_WORKERS]
    done = subprocess.run([sys.executable, "-c", code, *flags], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stderr
    assert entries_in(store, f"{filled}/out") == expected


def test_an_output_that_the_input_would_find_or_that_the_run_would_replace_is_refused(store, filled, capfd):
    shard = store.write(f"{filled}/old/alm_output-00000-of-00001.jsonl", lines(ENTRIES[:1]))
    for source, out, why in (
        (f"{filled}/in", f"{filled}/in/out", "is inside an input"),
        (f"{filled}/*/*.jsonl", f"{filled}/out", "is inside an input"),
        (shard, f"{filled}/old/", "is a file of an earlier run"),
    ):
        with pytest.raises(SystemExit):
            job(store, source, out)
        assert why in capfd.readouterr().err.splitlines()[-1]
    assert store.read(shard) == lines(ENTRIES[:1])


def test_memory_takes_one_process(capfd):
    memory = Store("memory", 0, {})
    memory.write("memory://job/in/m.jsonl", lines(ENTRIES))
    assert run(["--input=memory://job/in", "--output=memory://job/out", "--repeat_factor=2"]) == 0
    assert {name.removeprefix("/job/out/") for name in memory.fs.find("/job/out")} == COMPLETE
    for flags in (TWO_WORKERS, ("--runner=FlinkRunner",)):
        with pytest.raises(SystemExit):
            run(["--input=memory://job/in", "--output=memory://job/out2", *flags])
        assert "memory:// is within one process" in capfd.readouterr().err


def test_a_manifest_that_changes_after_it_was_found_fails_the_run_by_its_url(store, filled, capfd, monkeypatch):
    manifest = f"{filled}/changing.jsonl"
    store.write(manifest, lines(ENTRIES))
    prepare = RunFolder.prepare

    def change(folder: RunFolder, *more: str) -> None:
        prepare(folder, *more)
        store.write(manifest, lines(ENTRIES).replace(b"speaker", b"Speaker"))

    monkeypatch.setattr(RunFolder, "prepare", change)
    assert run([f"--input={manifest}", f"--output={filled}/out", store.flag()]) == 1
    assert f"{manifest}: cannot be read (it has changed since the run began)" in capfd.readouterr().err
    assert "_SUCCESS" not in store.names(f"{filled}/out")


def test_a_slash_behind_a_name_means_the_folder(store, filled, expected):
    store.write(f"{filled}/in/both", b"")
    store.write(f"{filled}/in/both/a.jsonl", lines(ENTRIES))
    assert run([f"--input={filled}/in/both/", f"--output={filled}/out", store.flag()]) == 0
    assert entries_in(store, f"{filled}/out") == expected


@pytest.mark.parametrize("output", ["simplecache::{}/out", "{}//out", "s3://", "memory://"])
def test_an_output_that_beam_would_take_for_another_place_is_refused(store, filled, output, capfd):
    with pytest.raises(SystemExit):
        run([f"--input={filled}/in", f"--output={output.format(filled)}", store.flag()])
    assert "error: --output=" in capfd.readouterr().err
