"""fsspec's options for each protocol: those of the command line, or of a caller."""

import inspect
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import fsspec

from alm_beam.storage.connections import StorageOptions, protocols_of
from alm_beam.storage.paths import OBJECT_STORES

_BY_PROTOCOL = 'write {"<protocol>": {"<option>": value}}'


class StorageOptionsError(ValueError):
    """Storage options are malformed. The message does not repeat them: they may hold secrets.

    >>> options_by_protocol({"s3": {"key": "a"}, "secret": "b"}, ["s3://lake/manifests"])
    Traceback (most recent call last):
        ...
    alm_beam.storage.options.StorageOptionsError: mixes options and protocols; ...
    """


def options_by_protocol(given: Mapping[str, Any] | None, urls: Collection[str]) -> StorageOptions:
    """The options for each protocol.

    Args:
        given: either `{"<protocol>": {"<option>": value}}` or, where the URLs are of one protocol, what is inside.
        urls: the paths and URLs that are read and written.

    Raises:
        StorageOptionsError: it is something else. A URL of an unknown protocol is left to whoever opens it.

    >>> options_by_protocol({"requester_pays": True}, ["s3://lake/manifests", "/tmp/windows"])
    {'s3': {'requester_pays': True}}
    """
    if not given:
        return {}
    known = fsspec.available_protocols()
    by_protocol = [name in known and isinstance(value, dict) for name, value in given.items()]
    if all(by_protocol):
        return dict(given)
    if any(by_protocol):
        raise StorageOptionsError("mixes options and protocols; " + _BY_PROTOCOL)
    bare = sorted(given.keys() & set(known))
    if bare:
        raise StorageOptionsError(f"gives {bare[0]} no object of options; {_BY_PROTOCOL}")
    protocols = {names[0] for names in map(_known_protocols, urls) if names and "file" not in names}
    if any(isinstance(value, dict) and _is_no_option(name, protocols) for name, value in given.items()):
        raise StorageOptionsError(
            f"has an object under a name that is neither an option nor a protocol; {_BY_PROTOCOL}"
        )
    if len(protocols) > 1:
        which = " and ".join(sorted(protocols))
        raise StorageOptionsError(f"does not say which of {which} it means; {_BY_PROTOCOL}")
    return dict.fromkeys(protocols, given)


def _known_protocols(url: str) -> tuple[str, ...]:
    with suppress(ValueError, ImportError):
        return protocols_of(url)
    return ()


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
