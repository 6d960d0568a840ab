"""What may not be shown: credentials, wherever a URL or a message holds them."""

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

_HIDDEN = "***"

_LEAST_LENGTH = 6
"""A shorter secret is not looked for in messages: it would be found in words that have nothing to do with it."""

_USER = re.compile(r"\b([a-zA-Z][-a-zA-Z0-9+.]*)://([^/?#\s@'\"]*)@")
_END = r"(?=[:,;.]?(?:[\s'\")]|$))"
_HTTP_QUERY = re.compile(rf"\b(https?://[^\s?'\"]*|url: /[^\s?'\"]*)\?[^\s'\")]*?{_END}", re.IGNORECASE)
_QUERY = re.compile(rf"\b([a-zA-Z][-a-zA-Z0-9+.]*://[^\s?'\"]*)\?[^\s'\")?/]*=[^\s'\")]*?{_END}")
_CONTAINER_BEFORE_HOST = ("abfs", "abfss", "wasb", "wasbs")
"""Schemes whose URLs name the container where others name the user."""

_secrets: list[str] = []


def hide(secrets: Iterable[str]) -> None:
    """Makes `redacted` leave these out, from now on and in place of those of an earlier call."""
    forms = {form for each in secrets for form in _forms(each)}
    _secrets[:] = sorted({form for form in forms if len(form) >= _LEAST_LENGTH}, key=len, reverse=True)


def shown(url: str) -> str:
    """The path or URL without user, password and query string; what it names can still be told.

    A `?` that begins no query (a `=` would follow) is part of a name, except in HTTP.
    """
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    at = rest.find("?")
    if at >= 0 and ("=" in rest[at:] or scheme.lower() in ("http", "https")):
        rest = rest[:at]
    return _USER.sub(_without_user, f"{scheme}://{rest}")


def redacted(text: str) -> str:
    """A message without the secrets that are known, and with its URLs as `shown` shows them."""
    for secret in _secrets:
        text = text.replace(secret, _HIDDEN)
    return _USER.sub(_without_user, _QUERY.sub(r"\1", _HTTP_QUERY.sub(r"\1", text)))


def _without_user(found: re.Match[str]) -> str:
    scheme, user = found.groups()
    is_container = scheme.lower() in _CONTAINER_BEFORE_HOST and ":" not in user
    return found.group(0) if is_container else f"{scheme}://"


def _forms(secret: str) -> Iterator[str]:
    """The secret as messages may state it: as it is, on one line, in a URL, quoted by Python, in JSON."""
    yield from (secret, " ".join(secret.split()))
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield from (repr(secret)[1:-1], json.dumps(secret)[1:-1])
