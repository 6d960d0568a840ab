"""What is left out of URLs and of messages. That runs and their messages hold nothing else: tests/test_secrets.py."""

import json
from urllib.parse import quote, quote_plus, urlencode

import pytest

from alm_beam.storage.secrets import _secrets, hide, redacted, shown

KEY = "-----BEGIN KEY-----\nMIIE/+='\"\n-----END KEY-----\n"


@pytest.fixture
def hidden():
    before = {*_secrets}
    yield hide
    _secrets.intersection_update(before)


@pytest.mark.parametrize("secret", ["ya29.TOPS3CRET/ab+c=", "pass \"word'", KEY], ids=["token", "password", "key"])
@pytest.mark.parametrize(
    "written",
    [
        str,
        repr,
        json.dumps,
        quote,
        quote_plus,
        lambda secret: quote(secret, safe=""),
        lambda secret: urlencode({"token": secret}),
        lambda secret: " ".join(f"of {secret} in".split()),
    ],
)
def test_a_secret_is_found_however_a_message_writes_it(hidden, secret, written):
    hidden([secret])
    message = redacted(f"[{written(secret)}]")
    assert "***" in message
    assert not any(part in message for part in ("TOPS3CRET", "word", "MIIE", "BEGIN"))


def test_a_message_of_the_http_client_is_shown_without_the_query():
    message = redacted("Max retries exceeded with url: /tokeninfo?access_token=ya29.TOP%2Fc (Caused by no route)")
    assert message == "Max retries exceeded with url: /tokeninfo (Caused by no route)"


@pytest.mark.parametrize(
    "password", ["TOP@S3CRET", "TOP#S3CRET", "TOP/S3CRET", "TOP'S3CRET", "TOP?S3CRET", "TOP/1@2/S3CRET"]
)
@pytest.mark.parametrize("user", ["user:", ":"])
def test_a_password_may_hold_what_a_url_should_not(user, password):
    url = f"ftp://{user}{password}@127.0.0.1:9/in"
    assert shown(url) == "ftp://127.0.0.1:9/in"
    assert redacted(f"cannot read {url}: no") == "cannot read ftp://127.0.0.1:9/in: no"


def test_a_password_may_hold_spaces_in_a_url():
    assert shown("ftp://user:TOP S3CRET@h/in") == "ftp://h/in"


@pytest.mark.parametrize(
    "url",
    [
        "http://h:80/a:b@c.jsonl",
        "http://[::1]:80/a@b.jsonl",
        "s3://bucket/a#b=c@d.jsonl",
        "s3://arn:aws:s3:eu-west-1:1:accesspoint/in/a@b.jsonl",
        "zip://a.jsonl::s3://bucket/c@d.zip",
    ],
)
def test_a_url_without_credentials_is_shown_whole(url):
    assert shown(url) == url
    assert redacted(f"cannot read {url}: a@b") == f"cannot read {url}: a@b"


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://h/y.jsonl?sig=X&a='TOPS3CRET'", "http://h/y.jsonl"),
        ("https://h/x?a=(SIG)&b=SIG2", "https://h/x"),
        ("https://h/x?a=SIG#b", "https://h/x"),
        ("https://h/x#access_token=SIG", "https://h/x"),
        ("https://h/it's.jsonl?sig=SIG", "https://h/it's.jsonl"),
        ("simplecache::https://h/x.jsonl?SIG", "simplecache::https://h/x.jsonl"),
        ("s3://b/it's.jsonl?versionId='SIG')SIG2", "s3://b/it's.jsonl"),
    ],
)
def test_a_query_ends_with_the_url_and_a_fragment_is_left_out_too(url, named):
    assert shown(url) == named
    # What closes a quotation or a bracket may stay.
    left = redacted(f"cannot read {url} : no").removeprefix(f"cannot read {named}")
    assert left.strip("')") == " : no"
