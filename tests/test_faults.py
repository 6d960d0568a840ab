"""A store in trouble: the run ends with all of the result, or with an error that names the URL, and no marker."""

import re

import pytest

from alm_beam.cli.windows import main as run
from alm_beam.storage import connections
from tests.manifests import lines
from tests.servers.faults import Fault, Request, proxy
from tests.servers.stores import Store
from tests.test_stores import COMPLETE, ENTRIES, entries_in, expected, filled  # noqa: F401 (fixtures)

IMPATIENT = {"s3": {"config_kwargs": {"read_timeout": 1, "retries": {"max_attempts": 3}}}, "gs": {}}
"""So that a test does not wait as long as a run would."""


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch):
    monkeypatch.setattr(connections, "_READ_SECONDS", 1)


def run_behind(store: Store, fault: Fault, source: str, out: str, *flags: str) -> tuple[int, int]:
    """The exit code, and how many requests went wrong."""
    with proxy(store.port, fault) as between:
        flag = store.behind(between.port).flag(**IMPATIENT[store.scheme])
        try:
            code = run([f"--input={source}", f"--output={out}", flag, *flags])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        return code, between.faults


def every(number: int, kind: str) -> Fault:
    return lambda request: kind if request.number % number == 0 else None


def every_cut(number: int) -> Fault:
    """Of answers that hold data; half an answer to an upload would be a whole upload, begun anew."""
    return lambda request: "cut" if request.method == "GET" and request.number % number == 0 else None


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(every(3, "status:503:ServiceUnavailable"), id="503"),
        pytest.param(every(4, "reset"), id="reset"),
        pytest.param(every_cut(4), id="cut"),
        pytest.param(every(7, "hang"), id="hang"),
    ],
)
def test_what_passes_changes_nothing(store, filled, expected, fault):  # noqa: F811
    store.write(f"{filled}/all.jsonl", lines(ENTRIES))
    code, faults = run_behind(store, fault, f"{filled}/all.jsonl", f"{filled}/out")
    assert code == 0
    assert faults > 2
    assert entries_in(store, f"{filled}/out") == expected
    assert store.names(f"{filled}/out") == COMPLETE


@pytest.mark.parametrize("kind", ["status:403:AccessDenied", "status:404:NoSuchKey", "reset"])
def test_one_manifest_that_cannot_be_read_fails_the_run_by_its_url(store, filled, capfd, kind):  # noqa: F811
    seen = []

    def fault(request: Request) -> str | None:
        seen.append(request.names("_SUCCESS"))
        return kind if request.names("/sub/b.json") and any(seen) else None

    code, faults = run_behind(store, fault, f"{filled}/in", f"{filled}/out")
    assert (code, faults > 0) == (1, True)
    message = capfd.readouterr().err.splitlines()[-1]
    assert f"{filled}/in/sub/b.json: cannot be read" in message
    assert f"{filled}/out is not complete" in message
    assert "_SUCCESS" not in store.names(f"{filled}/out")


def test_a_named_manifest_that_is_denied_is_refused_by_its_url(store, filled, capfd):  # noqa: F811
    def fault(request: Request) -> str | None:
        return "status:403:AccessDenied" if request.names("/a.jsonl") else None

    url = f"{filled}/in/a.jsonl"
    assert run_behind(store, fault, url, f"{filled}/out")[0] == 2
    assert f"--input={url}: cannot be read" in capfd.readouterr().err.splitlines()[-1]
    assert store.names(f"{filled}/out") == set()


@pytest.mark.parametrize("pattern", ["in", "in/*/*.json", "in/**/b.json"])
def test_a_folder_that_may_not_be_listed_is_refused_by_its_url(store, filled, capfd, pattern):  # noqa: F811
    def fault(request: Request) -> str | None:
        is_list = "prefix=in" in request.path
        return "status:403:AccessDenied" if is_list else None

    assert run_behind(store, fault, f"{filled}/{pattern}", f"{filled}/out")[0] == 2
    assert f"--input={filled}/{pattern}: cannot be read" in capfd.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("kind", ["status:403:AccessDenied", "status:404:NoSuchKey"])
def test_one_folder_of_several_that_cannot_be_listed_is_not_passed_over(store, filled, capfd, kind):  # noqa: F811
    store.write(f"{filled}/in/other/z.jsonl", lines())

    def fault(request: Request) -> str | None:
        is_listed = re.search(r"[?&]prefix=in(/|%2F)sub(/|%2F)?(&|$)", request.path)
        return kind if is_listed else None

    pattern = f"{filled}/in/*/*.jsonl*"
    assert run_behind(store, fault, pattern, f"{filled}/out")[0] == 2
    assert f"--input={pattern}: cannot be read" in capfd.readouterr().err.splitlines()[-1]


def test_a_run_is_complete_even_if_its_statistics_cannot_be_read_back(store, filled, capfd):  # noqa: F811
    def fault(request: Request) -> str | None:
        is_read = request.method == "GET" and request.names("loss_stats.json")
        return "status:403:AccessDenied" if is_read else None

    code, faults = run_behind(store, fault, f"{filled}/in", f"{filled}/out")
    assert (code, faults > 0) == (0, True)
    assert f"statistics cannot be read: {filled}/out/loss_stats.json: " in capfd.readouterr().out
    assert store.names(f"{filled}/out") == COMPLETE


def test_a_manifest_that_vanishes_after_it_was_listed_fails_the_run_by_its_url(store, filled, capfd):  # noqa: F811
    url = f"{filled}/in/sub/b.json"

    def fault(request: Request) -> str | None:
        if request.names("out/beam-temp-alm_beam-probe") and store.fs.exists(url):
            store.fs.rm_file(url)
        return None

    assert run_behind(store, fault, f"{filled}/in", f"{filled}/out")[0] == 1
    assert f"{url}: cannot be read (does not exist" in capfd.readouterr().err.splitlines()[-1]
    assert "_SUCCESS" not in store.names(f"{filled}/out")


def test_a_missing_bucket_is_refused_or_fails_by_its_url(store, filled, capfd):  # noqa: F811
    gone = f"{store.scheme}://no-such-bucket-here"
    for source in (f"{gone}/in", f"{gone}/in/*.jsonl", f"{gone}/in/m.jsonl", gone):
        assert run_behind(store, lambda _: None, source, f"{filled}/out")[0] == 2
        assert f"--input={source}: " in capfd.readouterr().err.splitlines()[-1]
    assert run_behind(store, lambda _: None, f"{filled}/in", f"{gone}/out")[0] == 1
    assert f"{gone}/out is not complete: {gone}/out: does not exist" in capfd.readouterr().err.splitlines()[-1]
    assert not store.fs.exists(gone), "it is not made, either"


@pytest.mark.parametrize("what", ["probe", "shard", "copy", "stats", "marker"])
def test_what_cannot_be_written_fails_the_run_by_its_url(store, filled, capfd, what):  # noqa: F811
    def fault(request: Request) -> str | None:
        is_write = request.method in ("PUT", "POST")
        is_temporary = request.names("/shards-alm_output/")
        found = {
            "probe": request.names("-probe"),
            "shard": is_temporary and not request.names("rewriteTo"),
            "copy": request.names("/alm_output-"),
            "stats": request.names("loss_stats.json"),
            "marker": request.names("_SUCCESS"),
        }[what]
        return "status:403:AccessDenied" if is_write and found else None

    code, faults = run_behind(store, fault, f"{filled}/in", f"{filled}/out")
    assert (code, faults > 0) == (1, True)
    message = capfd.readouterr().err.splitlines()[-1]
    assert f"{filled}/out is not complete: " in message
    assert message.count(f"{filled}/out") > 1, "the cause names it, too"
    assert "_SUCCESS" not in store.names(f"{filled}/out")


def test_a_finished_run_whose_marker_cannot_be_seen_is_not_replaced(store, filled, capfd):  # noqa: F811
    out = f"{filled}/out"
    assert run_behind(store, lambda _: None, f"{filled}/in", out)[0] == 0
    before = store.names(out)

    def fault(request: Request) -> str | None:
        return "status:403:AccessDenied" if request.names("_SUCCESS") else None

    assert run_behind(store, fault, f"{filled}/in", out)[0] == 2
    assert f"--output={out}: cannot be used" in capfd.readouterr().err.splitlines()[-1]
    assert store.names(out) == before


def test_an_old_shard_that_cannot_be_removed_fails_the_run(store, filled, capfd):  # noqa: F811
    out = f"{filled}/out"
    store.write(f"{out}/alm_output-00000-of-00002.jsonl", lines())

    def fault(request: Request) -> str | None:
        is_removal = request.method == "DELETE" or "?delete" in request.path or "/batch/" in request.path
        return "status:403:AccessDenied" if is_removal else None

    assert run_behind(store, fault, f"{filled}/in", out)[0] == 1
    assert f"{out} is not complete: {out}: " in capfd.readouterr().err.splitlines()[-1]
    assert "_SUCCESS" not in store.names(out)
