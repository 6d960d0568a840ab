"""Credentials in the URLs of cuts and of their audio: none is in what a run leaves or says."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.jobs.cuts import cut, cuts_in, job, noise, recording, rejects, stats, write

SECRETS = ("a-password-of-somebody", "a-signature-of-somebody")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path):
    """The address of a server of the folder `site`, which answers whatever query it is asked with."""
    for number, name in enumerate(("a.flac", "b.flac")):
        noise(tmp_path / "site" / name, 2, seed=number)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "site")))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def secret_url(site: str, name: str) -> str:
    return f"http://me:{SECRETS[0]}@{site}/{name}?sig={SECRETS[1]}"


def cuts(site: str, *names: str) -> list[dict]:
    return [cut(f"{name}-{at}", recording(secret_url(site, name), 2), at, 1) for name in names for at in (0, 1)]


def held(folder: Path) -> set[str]:
    return {
        f"{path.relative_to(folder)}: {secret}"
        for path in folder.rglob("*")
        if path.is_file()
        for secret in SECRETS
        if secret.encode() in path.read_bytes()
    }


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":")])
def test_of_audio_they_are_in_no_reject_and_no_record_and_shards_are_taken_over(tmp_path, site, capfd, separators):
    lines = [json.dumps(each, separators=separators) for each in cuts(site, "a.flac", "b.flac", "nosuch.flac")]
    lines[-1] = lines[-1].replace("/", "\\/")
    source, out = write(tmp_path / "cuts.jsonl", [*lines, lines[0][:-50]]), tmp_path / "out"
    assert job(out, source, flags=["--windows_per_shard=2"]) == 1
    assert len(rejects(out)) == 3
    assert all(f"{site}/nosuch.flac" in each["detail"] for each in rejects(out)[:2])
    assert len(list(out.glob("beam-temp-*/made/*.json"))) == 2
    assert not held(out)
    assert job(out, source, flags=["--windows_per_shard=2", "--max_reject_fraction=1"]) == 0
    assert stats(out)["taken_over"] == 2
    assert len(cuts_in(out)) == 4
    assert not held(out)
    said = "".join(capfd.readouterr())
    assert not [secret for secret in SECRETS if secret in said]


def test_a_file_of_cuts_on_a_web_server_that_answers_whatever_is_asked_of_it(tmp_path, site, capfd):
    """What follows the query of a URL is a part of it, so such a server gives the cuts for an index, too."""
    write(tmp_path / "site" / "cuts.jsonl", cuts(site, "a.flac"))
    assert job(tmp_path / "out", secret_url(site, "cuts.jsonl")) == 0, capfd.readouterr().err
    assert stats(tmp_path / "out")["windows"] == 2
    assert not held(tmp_path / "out")
