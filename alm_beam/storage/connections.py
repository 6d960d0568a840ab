"""fsspec's filesystems for the URLs of this package, with the options of each, kept apart from everyone else's.

The instances here run on an event loop of their own and are in no cache of fsspec's. So they can be closed before this
process forks (a fork would have their sockets, but not the thread that serves them), and nobody else's connections are.
"""

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import fsspec
import fsspec.config
from fsspec.core import split_protocol

from alm_beam.storage import secrets

StorageOptions: TypeAlias = Mapping[str, Mapping[str, Any]]
"""fsspec's options by protocol, as its configuration files have them."""

NO_OPTIONS: StorageOptions = {}

_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_TIMEOUT_OPTION = {
    "gs": "requests_timeout",
    "gcs": "requests_timeout",
    "http": "client_kwargs",
    "https": "client_kwargs",
}
"""Where a filesystem takes time-outs that by itself would wait for a server forever, or for five minutes in all."""

_GRPC_SWITCH = "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"

_NO_SECRETS = frozenset(
    """
    account_name addressing_style bucket consistency default_cache_type default_location endpoint_url host hostname
    profile project protocol region region_name requester_pays signature_version
    """.split()  # noqa: SIM905
)
"""Options whose values a message may state."""


class _Loop(NamedTuple):
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    pid: int


_filesystems: dict[tuple[int, str, str], fsspec.AbstractFileSystem] = {}
_in_use: weakref.WeakSet[fsspec.AbstractFileSystem] = weakref.WeakSet()
_loops: list[_Loop] = []
_lock = threading.RLock()
"""Guards the three: a runner has several threads in one process."""


def connect(url: str, options: StorageOptions = NO_OPTIONS) -> tuple[fsspec.AbstractFileSystem, str]:
    """The filesystem of a path or URL, and the path on it.

    Options take precedence over fsspec's configuration files and its FSSPEC_* variables, one by one.

    Raises:
        ValueError: there is no such filesystem, or it refuses its options.
        ImportError: a package that it needs is not installed.
    """
    secrets.hide(_texts("", fsspec.config.conf))
    secrets.hide(secrets.credentials_in(url))
    protocol = split_protocol(url)[0] or "file"
    kind = _filesystem_class(protocol)
    given = {**kind._get_kwargs_from_urls(url), **_options_of(kind, protocol, options)}
    key = (os.getpid(), protocol, repr(sorted(given.items())))
    with _lock:
        if key not in _filesystems:
            secrets.hide(_texts(protocol, given))
            loop = {"loop": _running_loop()} if kind.async_impl else {}
            _filesystems[key] = kind(**given, **_timeouts(protocol, kind, given), **loop, skip_instance_cache=True)
            if loop:
                _in_use.add(_filesystems[key])
        return _filesystems[key], kind._strip_protocol(url)


def protocols_of(url: str) -> tuple[str, ...]:
    """The names of the filesystem of a path or URL.

    Raises:
        ValueError: there is no such filesystem.
        ImportError: a package that it needs is not installed.
    """
    return names_of(fsspec.get_filesystem_class(split_protocol(url)[0] or "file"))


def names_of(fs: fsspec.AbstractFileSystem | type[fsspec.AbstractFileSystem]) -> tuple[str, ...]:
    """The protocols that a filesystem, or a class of them, serves."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def close_connections() -> None:
    """Closes the connections that `connect` opened and ends the thread that serves them; the next use begins anew.

    As long as somebody holds one of the filesystems, as a reader of windows does, the thread stays.
    """
    with _lock:
        _filesystems.clear()
        if not _loops or _loops[0].pid != os.getpid():
            _loops.clear()
            return
        gc.collect()  # which closes the session of each filesystem that nobody holds
        if any(fs.loop is _loops[0].loop for fs in _in_use):
            return
        loop, thread, _ = _loops.pop()
    asyncio.run_coroutine_threadsafe(_finish(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def _filesystem_class(protocol: str) -> type[fsspec.AbstractFileSystem]:
    kind = fsspec.get_filesystem_class(protocol)
    if protocol in ("gs", "gcs") and _GRPC_SWITCH not in os.environ:
        # Its newer class asks by gRPC, for up to a minute, what kind each bucket is. Not every server answers.
        from gcsfs.core import GCSFileSystem as Plain

        return Plain  # type: ignore[no-any-return]
    return kind  # type: ignore[no-any-return]


def _options_of(kind: type[fsspec.AbstractFileSystem], protocol: str, options: StorageOptions) -> dict[str, Any]:
    """The options for a filesystem by any of its names; those of the name in the URL come first."""
    found: dict[str, Any] = {}
    for name in (*names_of(kind), protocol):
        found.update(options.get(name, {}))
    return found


def _timeouts(protocol: str, kind: type[fsspec.AbstractFileSystem], given: Mapping[str, Any]) -> dict[str, Any]:
    option = _TIMEOUT_OPTION.get(protocol)
    configured = (fsspec.config.conf.get(name, {}) for name in names_of(kind))
    if option is None or option in given or any(option in each for each in configured):
        return {}
    from aiohttp import ClientTimeout

    timeout = ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS)
    return {option: {"timeout": timeout} if option == "client_kwargs" else timeout}


def _running_loop() -> asyncio.AbstractEventLoop:
    if not _loops or _loops[0].pid != os.getpid():
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="alm_beam-storage", daemon=True)
        thread.start()
        _loops[:] = [_Loop(loop, thread, os.getpid())]
    return _loops[0].loop


def _unlock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)  # another thread, which a fork has not, may have held it


async def _finish() -> None:
    """Waits for what is under way, closing sessions included, and ends the threads that look up host names."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=1)
    await asyncio.get_running_loop().shutdown_default_executor()


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
