"""What commands write to stdout and stderr, and their exit codes.

Everything goes through an `_Outlet`. So no text of a manifest, label or name of a file controls a terminal, and whether
anybody reads what a command says, or can, does not change what it did.
"""

import json
import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TextIO, cast

from alm_beam.core.errors import RunError
from alm_beam.core.text import visible
from alm_beam.storage.limits import out_of_memory, what_helps

_failure: list[BaseException | None] = []
"""What a process of ours failed with; empty in a process of somebody else's.

It holds what Beam has left open. Where a limit of memory lets no thread start, to take that apart never ends: so it is
kept, and the process ends at once.
"""


class _Outlet:
    """A stream of text that never fails: what it cannot encode it writes as escapes, and what nobody takes is lost.

    It passes the buffers of the stream by. What could not be written from there would be tried again, and fail, when
    the interpreter ends, and make the exit code 120.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        buffer = getattr(stream, "buffer", None)
        self._file = getattr(buffer, "raw", buffer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            data = text.encode(self._stream.encoding or "utf-8", "backslashreplace")
            if self._file is None:
                self._stream.write(data.decode(self._stream.encoding or "utf-8"))
            else:
                self._stream.flush()
                _write_all(self._file, data.replace(b"\n", os.linesep.encode()))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class _VisibleOutlet(_Outlet):
    """An outlet that shows, in each line, what is not printable."""

    def write(self, text: str) -> int:
        super().write("\n".join(map(visible, text.split("\n"))))
        return len(text)


def _write_all(file: Any, data: bytes) -> None:
    while data:
        written = file.write(data)
        if written is None:  # another process has made it non-blocking, and its reader is slow
            select.select([], [file], [])
        data = data[written or 0 :]


@contextmanager
def outlets() -> Iterator[None]:
    """Meanwhile, stdout and stderr are outlets."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_outlet_to, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@contextmanager
def styled_stdout() -> Iterator[None]:
    """Meanwhile, stdout takes styles: who prints has made visible what others wrote."""
    before = sys.stdout
    if isinstance(before, _VisibleOutlet):
        sys.stdout = cast(TextIO, _Outlet(before._stream))
    try:
        yield
    finally:
        sys.stdout = before


def styled_stderr() -> TextIO:
    """A stderr that takes styles: who writes there has made visible what others wrote."""
    stream = sys.stderr
    return cast(TextIO, _Outlet(stream._stream)) if isinstance(stream, _VisibleOutlet) else stream


def exit_with(main: Callable[[], int]) -> NoReturn:
    """Ends the process with a command's exit code, whatever its stdout and stderr are: closed, full or of no use."""
    sys.stdout, sys.stderr = map(_outlet_to, (sys.stdout, sys.stderr))  # to the end: a traceback goes there, too
    _failure.append(None)
    code = main()
    if _failure[-1] is not None:
        os._exit(code)
    sys.exit(code)


def _outlet_to(stream: TextIO | None) -> TextIO:
    if isinstance(stream, _Outlet):
        return stream
    return cast(TextIO, _VisibleOutlet(stream or open(os.devnull, "w")))


def print_json(content: Mapping[str, Any]) -> int:
    """Prints one JSON object, in ASCII, and gives 0."""
    print(json.dumps(content, indent=2))
    return 0


def printed(prog: str, text_of: Callable[[], str]) -> int:
    """Prints the text and gives 0; or what went wrong, in one line, and gives 1."""
    try:
        print(text_of())
    except (OSError, ValueError, ImportError, RunError, MemoryError) as error:
        return failed(prog, error)
    return 0


def failed(prog: str, error: Exception, state: str = "") -> int:
    """Says what went wrong, in one line, and gives 1.

    Args:
        prog: the command's name.
        error: what went wrong.
        state: how that leaves things.
    """
    from alm_beam.storage.secrets import redacted

    why = out_of_memory() if isinstance(error, MemoryError) else redacted(str(error))
    if isinstance(error, OSError) and (help_text := what_helps(error)):
        why += f"; {help_text}"
    print(f"{prog}: error: {state}{visible(why)}", file=sys.stderr)
    if _failure:
        _failure[:] = [error]
    return 1
