"""What may not be shown: credentials, wherever a URL or a message holds them."""

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

_HIDDEN = "***"

_MIN_LENGTH = 6
"""A shorter secret is not looked for in messages: it would be found in words that have nothing to do with it."""


def _user(char: str) -> re.Pattern[str]:
    """What stands before the host of a URL whose characters are `char`.

    A password may hold anything: it ends with the last `@` before the first `/`, and where what follows the first `:`
    is no port, with the last `@` of all. The bucket of an Amazon resource name has colons as well.
    """
    host, name = rf"(?:(?![/?]){char})*", rf"(?:(?![/@:[]){char})*"
    return re.compile(rf"\b([a-zA-Z][-a-zA-Z0-9+.]*)://({host}|(?!arn:){name}:(?!:|\d*(?:[/?]|$)){char}*)@", re.DOTALL)


_USER_IN_URL = _user(".")
_USER = _user(r"\S")
_END = r"(?=[:,;.'\")\]}>]*(?:\s|$))"
_HTTP = re.compile(r"\bhttps?://", re.IGNORECASE)
_HTTP_QUERY = re.compile(rf"(\bhttps?://[^\s?#]*|\burl: /[^\s?#]*)[?#]\S*?{_END}", re.IGNORECASE)
_QUERY = re.compile(rf"\b([a-zA-Z][-a-zA-Z0-9+.]*://[^\s?]*)\?[^\s'\")?/]*=\S*?{_END}")
_PORT = re.compile(r"(Port could not be cast to integer value as )('.*'|\".*\")")
"""Python's words for a URL whose password holds a `/`, `?` or `#`: what stands before that is no port."""

_CONTAINER_BEFORE_HOST = ("abfs", "abfss", "wasb", "wasbs")
"""Schemes whose URLs name the container where others name the user."""

_LONG = 2000
"""Characters."""

_URL = re.compile(r"[a-zA-Z][-a-zA-Z0-9+.]*://")
_JSON_TEXT = re.compile(rb'"((?:[^"\\]|\\.)*)("?)', re.DOTALL)

_secrets: set[str] = set()


def hide(secrets: Iterable[str]) -> None:
    """Makes `redacted` leave these out from now on."""
    _secrets.update(form for each in secrets for form in _forms(each) if len(form) >= _MIN_LENGTH)


def shown(url: str) -> str:
    """The path or URL without user, password, query string and fragment; what it names can still be told.

    A `?` that begins no query (a `=` would follow) is part of a name, and so is a `#`, except in HTTP.
    """
    if "://" not in url:
        return url
    url = _USER_IN_URL.sub(_without_user, url)
    if _HTTP.search(url):
        return re.split("[?#]", url, maxsplit=1)[0]
    name, _, query = url.partition("?")
    return name if "=" in query else url


def credentials_in(url: str) -> list[str]:
    """What `shown` leaves out of a URL, for messages of filesystems that state a part of it.

    >>> credentials_in("s3://me:password@lake/in?token=abcdef")
    ['me:password@', 'password', '?token=abcdef', 'abcdef']
    """
    named = shown(url)
    if named == url:
        return []
    user = _USER_IN_URL.search(url)
    found = [f"{user.group(2)}@", user.group(2).partition(":")[2]] if user else []
    rest = url.partition("://")[2].removeprefix(found[0] if found else "")
    query = rest.removeprefix(named.partition("://")[2])
    return [*found, query, *(value.partition("=")[2] for value in query[1:].split("&"))] if query else found


def shown_json(text: bytes) -> bytes:
    r"""JSON, whole or not, without the credentials of the URLs in its texts.

    >>> shown_json(b'{"source": "https:\\/\\/me:password@lake/a.wav?sig=abcdef", "text": "Why? a=b", "cut": "s3://me:pas')
    b'{"source": "https://lake/a.wav", "text": "Why? a=b", "cut": "***'
    """
    return _JSON_TEXT.sub(_shown_text, text)


def shown_text(text: str) -> str:
    """A text that others wrote, which may be or hold URLs, without their credentials.

    Of a long text with a URL in it nothing is shown from there on: to find out where a password ends would take long.

    >>> shown_text("s3://me:pass word@lake/a.wav"), shown_text("see s3://me:password@lake")
    ('s3://lake/a.wav', 'see s3://lake')
    """
    if "://" not in text:
        return text
    if len(text) > _LONG:
        return f"{text.partition('://')[0]}://{_HIDDEN}"
    return shown(text) if _URL.match(text) else redacted(text)


def _shown_text(found: re.Match[bytes]) -> bytes:
    written, end = found.groups()
    text = written.replace(rb"\/", b"/").decode("utf-8", "surrogateescape")
    if "://" not in text:
        return found.group(0)
    if not end:
        return f'"{_HIDDEN}'.encode()  # what shows where a password ends may have been cut off
    named = shown(text) if _URL.match(text) else redacted(text)
    return b'"%b"' % named.encode("utf-8", "surrogateescape") if named != text else found.group(0)


def redacted(text: str) -> str:
    """A message without the secrets that are known, and with its URLs as `shown` shows them.

    A URL ends with the first space. One that may hold a space is to be replaced by what `shown` gives before.
    """
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    text = _PORT.sub(rf"\1{_HIDDEN}", text)
    return _QUERY.sub(r"\1", _HTTP_QUERY.sub(r"\1", _USER.sub(_without_user, text)))


def _without_user(found: re.Match[str]) -> str:
    scheme, user = found.groups()
    is_container = scheme.lower() in _CONTAINER_BEFORE_HOST and ":" not in user
    return found.group(0) if is_container else f"{scheme}://"


def _forms(secret: str) -> Iterator[str]:
    """The secret as messages may state it: as it is, on one line, in a URL, quoted by Python, in JSON."""
    yield from (secret, " ".join(secret.split()))
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield from (repr(secret)[1:-1], json.dumps(secret)[1:-1])
