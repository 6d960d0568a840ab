"""What helps where a machine's limits end a run: those of its disks, and of its memory."""

import errno

NO_THREAD = "can't start new thread"
"""What Python says where memory is too short for a thread."""

_HELP = {
    errno.EMFILE: "raise the number of files that the process may open (ulimit -n)",
    errno.ENFILE: "this machine has too many open files",
    errno.ENOSPC: "free some there, or choose another place by --output or, for temporary files, TMPDIR",
    errno.EDQUOT: "free some there, or choose another place by --output or, for temporary files, TMPDIR",
    errno.EFBIG: "raise the limit (ulimit -f), choose another filesystem by --output, or make more, smaller shards",
    errno.ENOMEM: "give fewer workers (--direct_num_workers=1) or a lower --max_line_bytes, or raise the limit",
}


def what_helps(error: BaseException) -> str | None:
    """What to do about an error of the system; None where nothing is known.

    >>> what_helps(OSError(errno.EFBIG, "File too large"))
    'raise the limit (ulimit -f), choose another filesystem by --output, or make more, smaller shards'
    """
    if isinstance(error, MemoryError):
        return _HELP[errno.ENOMEM]
    return _HELP.get(error.errno or 0) if isinstance(error, OSError) else None


def out_of_memory(said: str = "") -> str:
    """The message for a lack of memory, of which Python itself mostly says nothing.

    >>> out_of_memory()
    'out of memory; give fewer workers (--direct_num_workers=1) or a lower --max_line_bytes, or raise the limit'
    """
    return f"out of memory{f' ({said})' if said else ''}; {_HELP[errno.ENOMEM]}"
