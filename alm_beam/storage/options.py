"""fsspec's options for each protocol: from the command line, beside those that its own means give."""

import inspect
import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeAlias

import fsspec
import fsspec.config

from alm_beam.storage import secrets
from alm_beam.storage.paths import OBJECT_STORES, protocols_of

StorageOptions: TypeAlias = Mapping[str, Mapping[str, Any]]
"""fsspec's options by protocol, as its configuration files have them."""

_NO_SECRETS = frozenset(
    """
    account_name addressing_style bucket consistency default_cache_type default_location endpoint_url host hostname
    profile project protocol region region_name requester_pays signature_version
    """.split()  # noqa: SIM905
)
"""Options whose values a message may state."""

_BY_PROTOCOL = 'write {"<protocol>": {"<option>": value}}'

_LOGS_REQUESTS = ("aiobotocore", "azure", "botocore", "fsspec", "gcsfs", "google.auth", "s3fs", "urllib3")
"""Loggers that show, at DEBUG, what authorises a request."""

_before: dict[str, dict[str, Any] | None] = {}
_used: StorageOptions | None = None


class StorageOptionsError(ValueError):
    """The text does not state options. The message does not repeat it: it may hold secrets."""


def parse_storage_options(text: str, urls: Collection[str]) -> StorageOptions:
    """The options that the text, a JSON object, states.

    Args:
        text: either `{"<protocol>": {"<option>": value}}` or, where the URLs are of one protocol, what is inside.
        urls: the paths and URLs that a run reads and writes.

    Raises:
        StorageOptionsError: it is something else.
    """
    try:
        given = json.loads(text)
    except ValueError as error:
        raise StorageOptionsError(f"is not JSON ({error})") from None
    if not isinstance(given, dict):
        raise StorageOptionsError("must be a JSON object")
    if not given:
        return {}
    known = fsspec.available_protocols()
    by_protocol = [name in known and isinstance(value, dict) for name, value in given.items()]
    if all(by_protocol):
        return given
    if any(by_protocol):
        raise StorageOptionsError("mixes options and protocols; " + _BY_PROTOCOL)
    bare = sorted(given.keys() & set(known))
    if bare:
        raise StorageOptionsError(f"gives {bare[0]} no object of options; {_BY_PROTOCOL}")
    protocols = {names[0] for names in map(protocols_of, urls) if "file" not in names}
    if any(isinstance(value, dict) and _is_no_option(name, protocols) for name, value in given.items()):
        raise StorageOptionsError(
            f"has an object under a name that is neither an option nor a protocol; {_BY_PROTOCOL}"
        )
    if len(protocols) > 1:
        which = " and ".join(sorted(protocols))
        raise StorageOptionsError(f"does not say which of {which} it means; {_BY_PROTOCOL}")
    return dict.fromkeys(protocols, given)


def _is_no_option(name: str, protocols: Collection[str]) -> bool:
    """Whether it is a protocol in capitals, or what no filesystem of the protocols takes, as far as these state it.

    The object stores' filesystems do; others hand what they do not know to the library that they build on.
    """
    if name.lower() in fsspec.available_protocols():
        return True
    taken = {
        parameter
        for protocol in protocols
        for kind in fsspec.get_filesystem_class(protocol).__mro__
        for parameter in inspect.signature(kind.__init__).parameters
    }
    return bool(protocols) and OBJECT_STORES.issuperset(protocols) and name not in taken


def use(options: StorageOptions) -> None:
    """Makes every filesystem that fsspec opens in this process from now on use the options.

    They take precedence over fsspec's configuration files and its FSSPEC_* variables, option by option, and the place
    of those that an earlier call gave.
    """
    global _used
    if _used == options:
        return
    for protocol, before in _before.items():
        if before is None:
            fsspec.config.conf.pop(protocol, None)
        else:
            fsspec.config.conf[protocol] = before
    _before.clear()
    for protocol, given in options.items():
        before = fsspec.config.conf.get(protocol)
        _before[protocol] = before
        fsspec.config.conf[protocol] = {**(before or {}), **deepcopy(dict(given))}
    _used = options
    secrets.hide(text for name, given in fsspec.config.conf.items() for text in _texts(name, given))
    for name in _LOGS_REQUESTS:
        if not logging.getLogger(name).level:
            logging.getLogger(name).setLevel(logging.INFO)


def _texts(name: str, value: Any) -> Iterator[str]:
    """The texts in an option's value, unless the option is one that may be shown."""
    if isinstance(value, Mapping):
        for inner, each in value.items():
            yield from _texts(str(inner), each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(name, each)
    elif isinstance(value, str) and name not in _NO_SECRETS and not os.path.exists(value):
        yield value
