"""Credentials reach the stores and nothing else: no output, no log, no message, whether a run succeeds or fails."""

import json
import os
import subprocess
import sys

import fsspec
import fsspec.config
import pytest

from alm_beam.storage.connections import connect
from alm_beam.storage.options import StorageOptionsError, options_by_protocol
from alm_beam.storage.secrets import redacted, shown
from tests.manifests import lines
from tests.runners.test_local import TWO_WORKERS
from tests.servers.stores import SECRET, Store

LOUD = "import logging; logging.basicConfig(level=logging.DEBUG)\n"
CLI = "import sys; from alm_beam.cli.main import main; sys.exit(main(sys.argv[1:]))"
JOB = "import sys; from alm_beam.cli.windows import main as run; sys.exit(run(sys.argv[1:]))"
OTHER_THREAD = "import threading, time; threading.Thread(target=time.sleep, args=(999,), daemon=True).start()\n"


def said(code: str, *flags: str, exit_code: int, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *flags],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, **environment},
    )
    assert done.returncode == exit_code, done.stderr[-3000:]
    return done.stdout + done.stderr


def assert_hidden(store: Store, bucket: str, text: str) -> None:
    assert SECRET not in text
    for name in store.names(bucket):
        assert SECRET not in name
        assert SECRET.encode() not in store.read(f"{bucket}/{name}"), name


@pytest.fixture
def source(s3) -> str:
    return s3.write(f"{s3.bucket()}/in/m.jsonl", lines() + b"{\n")


def bucket_of(url: str) -> str:
    return "/".join(url.split("/")[:3])


@pytest.mark.parametrize(
    ("code", "flags"),
    [
        pytest.param(LOUD + JOB, (), id="one process"),
        pytest.param(JOB, TWO_WORKERS, id="forks"),
        pytest.param(OTHER_THREAD + LOUD + JOB, (*TWO_WORKERS, "--default_sdk_harness_log_level=DEBUG"), id="spawned"),
    ],
)
def test_no_output_or_log_of_a_run_shows_a_secret(s3, source, code, flags):
    bucket = bucket_of(source)
    common = (f"--input={source}", f"--output={bucket}/out", s3.flag(), *flags)
    assert_hidden(s3, bucket, said(code, *common, "--max_reject_fraction=1", exit_code=0))
    assert "_SUCCESS" in " ".join(s3.names(bucket))
    s3.write(f"{bucket}/in/bad.jsonl.gz", b"no gzip")
    text = said(code, *common, f"--input={bucket}/in/bad.jsonl.gz", "--overwrite", exit_code=1)
    assert f"{bucket}/in/bad.jsonl.gz: the compressed data is cut off" in text
    assert_hidden(s3, bucket, text)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ('--storage_options={{"secret": "{}"', "--storage_options: is not JSON"),
        ('--storage_options=["{}"]', "--storage_options: must be a JSON object"),
        ('--storage_options={{"s3": {{"secret": "{}"}}, "key": 1}}', "--storage_options: mixes options and protocols"),
        ('--storage_option={{"secret": "{}"}}', "unknown argument --storage_option (did you mean --storage_options?)"),
        ('--storage_options={{"secret": "{0}", "endpoint_url": "{0}"}}', "cannot be read"),
        ('--storage_options={{"secret": "{0}", "nosuch": "{0}"}}', "cannot be read"),
        ('--storage_options={{"secret": "{0}"}}', "Partial credentials"),
        ("--input=http://user:{}@127.0.0.1:9/x.jsonl", "--input=http://127.0.0.1:9/x.jsonl: cannot be read"),
        ("--input=http://127.0.0.1:9/x.jsonl?sig={}", "--input=http://127.0.0.1:9/x.jsonl: cannot be read"),
        ("--input=http://127.0.0.1:9/x.jsonl?sig=X&a='{}'", "--input=http://127.0.0.1:9/x.jsonl: cannot be read"),
        ("--input=ftp://user:a {}@127.0.0.1:9/in", "--input=ftp://127.0.0.1:9/in: cannot be read"),
        ("--input=ftp://user:{}#b@127.0.0.1:9/in", "--input=ftp://127.0.0.1:9/in: cannot be read"),
        ("--input=ftp://user:{}/b@127.0.0.1:9/in", "--input=ftp://127.0.0.1:9/in: cannot be read"),
        ("--input=s3://user:{}@lake/in", "--input=s3://lake/in: cannot be read"),
        ("--output=s3://user:{}@lake/out", "--output=s3://lake/out: "),
        ("--output=s3://lake/out?token={}", "--output=s3://lake/out: "),
        ("--output=ftp://user:a {}@127.0.0.1:9/out", "--output=ftp://127.0.0.1:9/out: "),
        ("--output=ftp://user:{}@127.0.0.1/out", "--output=ftp://127.0.0.1/out: "),
    ],
)
def test_no_message_about_a_wrong_flag_shows_a_secret(tmp_path, flag, message):
    given = () if "--input" in flag else ("--input=s3://bucket/in",)
    text = said(LOUD + JOB, *given, f"--output={tmp_path}/out", flag.format(SECRET), exit_code=2)
    assert message in text
    assert SECRET not in text


def test_a_signed_url_is_named_without_its_query_in_rejects_statistics_and_summary(s3, source, tmp_path):
    url = f"http://127.0.0.1:{s3.port}/{source.partition('://')[2]}"
    out = tmp_path / "out"
    text = said(
        LOUD + JOB, f"--input={url}?X-Amz-Signature={SECRET}", f"--output={out}", "--max_reject_fraction=1", exit_code=0
    )
    [reject] = map(json.loads, next(out.glob("rejects-*")).read_text().splitlines())
    assert reject["file"] == url
    assert json.loads((out / "loss_stats.json").read_text())["parameters"]["input"] == [url]
    assert SECRET not in text
    files = [path for path in out.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in files)


def test_the_sample_command_shows_no_secret():
    text = said(CLI, "sample", f"memory://user:{SECRET}@h/out", "--recordings=1", exit_code=0)
    assert text == "memory://h/out/sample-00000.jsonl\n"
    text = said(CLI, "sample", "nosuch://m.jsonl", exit_code=1, FSSPEC_FTP_PASSWORD="nosuch")
    assert "Protocol not known: ***" in text


def test_fsspecs_own_variables_and_files_reach_the_stores(s3, source, tmp_path):
    bucket = bucket_of(source)
    flags = (f"--input={source}", "--max_reject_fraction=1", *TWO_WORKERS)
    variables = {f"FSSPEC_S3_{name.upper()}": value for name, value in s3.options.items()}
    assert_hidden(s3, bucket, said(JOB, *flags, f"--output={bucket}/one", exit_code=0, **variables))
    (tmp_path / "stores.json").write_text(json.dumps({"s3": {**s3.options, "endpoint_url": "http://127.0.0.1:9"}}))
    right = json.dumps({"endpoint_url": s3.options["endpoint_url"]})
    flags = (*flags, f"--storage_options={right}")
    assert_hidden(s3, bucket, said(JOB, *flags, f"--output={bucket}/two", exit_code=0, FSSPEC_CONFIG_DIR=str(tmp_path)))
    assert s3.read(f"{bucket}/one/_SUCCESS") == s3.read(f"{bucket}/two/_SUCCESS") == b""


@pytest.mark.parametrize(
    ("text", "urls", "options"),
    [
        ('{"key": "a"}', ["s3://in", "s3a://out", "/local"], {"s3": {"key": "a"}}),
        ('{"key": "a"}', ["/local"], {}),
        ('{"s3": {"key": "a"}, "gs": {"token": "b"}}', ["s3://in"], {"s3": {"key": "a"}, "gs": {"token": "b"}}),
        ('{"client_kwargs": {"region_name": "x"}}', ["s3://in"], {"s3": {"client_kwargs": {"region_name": "x"}}}),
        ('{"token": {"type": "x"}}', ["gs://in"], {"gs": {"token": {"type": "x"}}}),
        ('{"client_kwargs": {"region_name": "x"}}', ["/local"], {}),
        ('{"headers": {"a": "b"}}', ["https://in"], {"http": {"headers": {"a": "b"}}}),
        ('{"secert": "a"}', ["s3://in"], {"s3": {"secert": "a"}}),
        ("{}", ["s3://in", "gs://out"], {}),
    ],
)
def test_options_are_for_the_protocol_of_the_urls_or_for_those_that_they_name(text, urls, options):
    assert options_by_protocol(json.loads(text), urls) == options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"s3": null}', "gives s3 no object of options"),
        ('{"s3": ["TOPS3CRET"]}', "gives s3 no object of options"),
        ('{"S3": {"secret": "TOPS3CRET"}}', "neither an option nor a protocol"),
        ('{"s4": {"secret": "TOPS3CRET"}}', "neither an option nor a protocol"),
        ('{"client_kwarg": {"secret": "TOPS3CRET"}, "key": "a"}', "neither an option nor a protocol"),
    ],
)
def test_what_is_neither_options_nor_protocols_with_options_is_refused(text, message):
    with pytest.raises(StorageOptionsError, match=message) as refused:
        options_by_protocol(json.loads(text), ["s3://in", "/local"])
    assert "TOPS3CRET" not in str(refused.value)


def test_options_for_urls_of_two_protocols_have_to_name_them():
    with pytest.raises(StorageOptionsError, match="does not say which of gs and s3 it means"):
        options_by_protocol({"key": "a"}, ["s3://in", "gs://out"])


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("/local/a?b=c@d.jsonl", "/local/a?b=c@d.jsonl"),
        ("s3://bucket/a@b/c.jsonl", "s3://bucket/a@b/c.jsonl"),
        ("s3://bucket/really?.jsonl", "s3://bucket/really?.jsonl"),
        ("s3://bucket/c.jsonl?versionId=abc/def=", "s3://bucket/c.jsonl"),
        ("https://host/c.jsonl?abc", "https://host/c.jsonl"),
        ("https://user:pass@host:8/c.jsonl?sig=x%2F", "https://host:8/c.jsonl"),
        ("sftp://user@host/c.jsonl", "sftp://host/c.jsonl"),
        ("abfs://container@account.dfs.core.windows.net/c", "abfs://container@account.dfs.core.windows.net/c"),
        ("abfs://user:pass@account/c", "abfs://account/c"),
    ],
)
def test_a_url_is_shown_without_credentials_and_query(url, named):
    assert shown(url) == named
    assert redacted(f"cannot read {url}: no") == f"cannot read {named}: no"
    assert redacted(f"cannot read ('{url}')") == f"cannot read ('{named}')"


def test_a_message_is_shown_without_the_secrets_of_a_connection_and_of_fsspecs_configuration(monkeypatch):
    monkeypatch.setitem(fsspec.config.conf, "gs", {"token": "of-the-configuration"})
    options = {"secret": SECRET, "client_kwargs": {"aws_session_token": "tok-tok-tok", "region_name": "eu-west"}}
    connect("s3://lake/in", {"s3": options})
    assert redacted(f"{SECRET} tok-tok-tok eu-west of-the-configuration") == "*** *** eu-west ***"
