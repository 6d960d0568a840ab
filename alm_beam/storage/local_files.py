"""What a local path names: a file, or what only looks like one."""

import errno
import logging
import os
import re
import stat
from collections.abc import Iterable, Mapping
from typing import Any

from alm_beam.core.text import visible

_LOG = logging.getLogger(__name__)

_MOST_LINES = 10
_NO_WAITING = getattr(os, "O_NONBLOCK", 0)
_DESCRIPTOR = re.compile(r"/dev/stdin|(?:/dev/fd|/proc/self/fd)/(\d+)")


class UnfitError(Exception):
    """Why what an input names is no manifest that could be read. The text may be shown."""


def status_of(path: str) -> os.stat_result | None:
    """What the system tells of a path, links followed; None where there is nothing.

    Raises:
        OSError: it cannot be told.
    """
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None  # a long glob
        raise


def special_kind(mode: int) -> str | None:
    """What something is that is neither a file nor a folder, with its article; None for those."""
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def readable_info(path: str) -> dict[str, Any]:
    """What a filesystem of fsspec's tells of a regular file whose first byte could be read.

    Raises:
        OSError: it cannot be read, or has another size than it states, as what the kernel makes up has.
    """
    with open(path, "rb", buffering=0, opener=_opened_without_waiting) as file:
        status = os.fstat(file.fileno())
        size = status.st_size
        is_true = stat.S_ISREG(status.st_mode) and bool(file.read(1)) == (size > 0)
    if not is_true:
        why = f"states a size of {size:,} bytes, which is not that of its content, as files in /proc do"
        raise OSError(f"{visible(path)} {why}; copy it to a file, or pipe it in (--input=/dev/stdin)")
    return {"size": size, "mtime": status.st_mtime, "ino": status.st_ino, "dev": status.st_dev, "type": "file"}


def own_descriptor(path: str) -> int | None:
    """The file descriptor of this process that a path names, as /dev/stdin and /dev/fd/63 do; None for other paths."""
    named = _DESCRIPTOR.fullmatch(path)
    return int(named[1] or 0) if named else None


def stored_path(path: str) -> str:
    """The path by which other processes find the file or folder that a path of this process alone names, if there is
    one; else the path itself.
    """
    real = os.path.realpath(path)
    is_stored = os.path.isfile(real) or os.path.isdir(real)
    return real if is_stored and os.path.exists(path) and os.path.samefile(real, path) else path


def why_never_read(path: str, mode: int) -> str | None:
    """Why what is no file and no folder is not read, not even once; None where it may be read once."""
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        descriptor = own_descriptor(path)
        is_terminal = descriptor is not None and os.isatty(descriptor)
        return "is a terminal; name a file, or pipe one in" if is_terminal else "is a device, and no manifest"
    if stat.S_ISSOCK(mode) and own_descriptor(path) is None:
        return "is a socket, and no manifest"
    return None


def regular_files(paths: Iterable[str]) -> dict[str, os.stat_result]:
    """Those of the paths that are files, links followed. The log names the pipes, sockets and devices among them.

    Raises:
        UnfitError: a link leads nowhere.
        OSError: it cannot be told what a path is.
    """
    found = {}
    passed_over = []
    for path in paths:
        try:
            status = os.stat(path)
        except FileNotFoundError:
            if os.path.islink(path):
                where = f"{visible(path)} is a link to {visible(os.readlink(path))}, which does not exist"
                raise UnfitError(f"{where}; remove it, or name the files to read") from None
            raise
        if stat.S_ISREG(status.st_mode):
            found[path] = status
        else:
            passed_over.append(f"{visible(path)}: it is {special_kind(status.st_mode)}, and no file")
    for line in passed_over[:_MOST_LINES]:
        _LOG.warning("passes over %s", line)
    if len(passed_over) > _MOST_LINES:
        _LOG.warning("passes over %d more that are no files", len(passed_over) - _MOST_LINES)
    return found


def without_second_names(files: Mapping[str, os.stat_result], root: str) -> list[str]:
    """The paths in their order, each file once: by its own name, or by the link that is the fewest folders down.

    The log says how many were left out.

    Args:
        files: paths, and what the system tells of each.
        root: the folder that was searched for them.
    """
    names: dict[tuple[int | str, ...], list[str]] = {}
    for path, status in files.items():
        own = (status.st_dev, status.st_ino) if status.st_ino else (os.path.realpath(path),)
        names.setdefault((*own, status.st_size, status.st_mtime_ns), []).append(path)
    real_root = os.path.realpath(root)
    taken = {}
    for several in names.values():
        if len(several) > 1:
            several.sort(key=lambda path: (os.path.realpath(path) != real_root + path[len(root) :], path.count("/")))
        taken[several[0]] = several
    if len(taken) < len(files):
        first, other, *_ = next(several for several in taken.values() if len(several) > 1)
        example = f"{visible(other)} is the same file as {visible(first)}"
        _LOG.warning("passes over links to files that are read already: %d (%s)", len(files) - len(taken), example)
    return [path for path in files if path in taken]


def _opened_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | _NO_WAITING)
