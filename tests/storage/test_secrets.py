"""What is left out of URLs and of messages. That runs and their messages hold nothing else: tests/test_secrets.py."""

import json
from urllib.parse import quote, quote_plus, urlencode

import pytest

from alm_beam.storage.secrets import hide, redacted

KEY = "-----BEGIN KEY-----\nMIIE/+='\"\n-----END KEY-----\n"


@pytest.fixture
def hidden():
    yield hide
    hide(())


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
