"""The processes of a command: one that does the work, and one that waits for it and ends it when it is told to.

Python hands a signal to a handler only between two of its own steps, and to parse a line of 100 MB is one step of many
seconds. The process that waits does nothing else. So Ctrl-C, SIGTERM and SIGHUP end the command at once, whatever the
other does: import, parse, write, or wait for a pipe. It loads next to nothing before that. It also tells what is left
where the other is ended by a signal of its own, as by SIGKILL where memory is short.

This is for whole processes of our own. `main([...])` of a command, and the library, leave signals alone.
"""

import importlib
import os
import select
import signal
import sys
from _thread import get_ident
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NoReturn

_KNOWN = {"SIGINT": "interrupted", "SIGTERM": "ended by SIGTERM", "SIGHUP": "ended by SIGHUP"}
_SAID: dict[int, str] = {getattr(signal, name): said for name, said in _KNOWN.items() if hasattr(signal, name)}
"""The signals that end a command, and what is said of each. SIGHUP is that of a terminal that is closed."""

AGAIN = "the same command starts again"

_LONGEST_END_SECONDS = 1.6
"""After that, what could not be removed or found out stays so."""

_LONGEST_KILL_SECONDS = 0.5
_IDLE_SECONDS = 20
"""When nothing was heard for so long, what the end needs is imported, of which a shorter command has no use."""

_SHOWS_CURSOR = "\r\x1b[2K\x1b[?25h"

_HEAD_BYTES = 2 + 1 + 16
"""Before each part of a note: its length, whether it is the last one, and who writes."""

_modules: list[str] = []
"""Whose work this process does; empty in a process of somebody else's."""

_notes: list[int] = []
"""The pipe to the process that waits; empty in a process of somebody else's."""

_noted: list[Callable[..., str]] = []
"""What makes temporary folders, once they are noted."""


def run_process(module: str) -> NoReturn:
    """Does the work of a whole process: that of the module's `main`, with the process's own arguments.

    Ctrl-C, SIGTERM and SIGHUP end it with one line on stderr and exit code 130, 143 or 129. What was ignored from the
    beginning, as behind `nohup`, stays ignored.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # or a pipe, or a file of a run, would become its stderr
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if hasattr(os, "fork") and _is_only_thread():
        _go_on_in_a_fork()
    _modules.append(module)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what fails comes as an exception, too, and is told in one line
    from alm_beam.cli.output import exit_with

    exit_with(importlib.import_module(module).main)


def _is_only_thread() -> bool:
    """Whether a fork of this process can be relied on; a debugger has threads of its own."""
    threading = sys.modules.get("threading")
    return threading is None or threading.active_count() == 1


def is_process_of_ours() -> bool:
    """Whether this process does the work of a command, and nothing else."""
    return bool(_modules)


def note_command(prog: str) -> None:
    """Tells the process that waits what this command is called in messages, and from now on its temporary folders."""
    _note("prog", os.fsencode(prog))
    if _notes and not _noted:
        import tempfile

        _noted.append(tempfile.mkdtemp)
        tempfile.mkdtemp = _noted_folder  # type: ignore[assignment]


def _noted_folder(*args: str | None, **kwargs: str | None) -> str:
    folder = _noted[0](*args, **kwargs)
    _note("folder", os.fsencode(folder))
    return folder


def note_end(end: Callable[[], str]) -> None:
    """Tells the process that waits what to do when a signal ends the command.

    Args:
        end: a function that can be pickled, and imports no Beam. It is called when no process of the command is left.
            It removes what nobody needs, and gives how things are then, for the last line.
    """
    import pickle

    _note("end", pickle.dumps(end))


def note_drawing() -> None:
    """Tells the process that waits that a bar is drawn on stderr, behind which the line would not be read."""
    _note("drawing", b"")


def _note(name: str, value: bytes) -> None:
    """Writes a note in parts that the system keeps whole: threads and forks write into the same pipe."""
    if _notes:
        content = name.encode() + b" " + value
        writer = os.getpid().to_bytes(8, "big") + get_ident().to_bytes(8, "big")
        size = select.PIPE_BUF - _HEAD_BYTES
        with suppress(OSError):
            for at in range(0, len(content), size):
                part, is_last = content[at : at + size], at + size >= len(content)
                os.write(_notes[0], len(part).to_bytes(2, "big") + bytes([is_last]) + writer + part)


def _go_on_in_a_fork() -> None:
    """Returns in a fork, which ends with this process. This process ends when the fork has, or by a signal."""
    reader, writer = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, _SAID)
    waiting = os.getpid()
    try:
        fork = os.fork()
    except OSError:  # there may be no more processes: the work is done here
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SAID)
        return
    if fork:
        os.close(writer)
        _Waiting(fork, reader).wait()
    os.close(reader)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of all that it starts, too: who waits ends them
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SAID)
    _end_with(waiting)
    _notes.append(writer)


def _end_with(parent: int) -> None:
    """Lets the system end this process with its parent, where it can."""
    if sys.platform == "linux":
        _prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)


def _prctl(option: int, value: int) -> None:
    """Tells Linux's kernel something of this process, where it takes it."""
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value)


class Said:
    """What is left where nothing has to be done or found out; see `note_end`."""

    def __init__(self, text: str):
        self._text = text

    def __call__(self) -> str:
        """The text."""
        return self._text


class _Waiting:
    """The process that waits."""

    def __init__(self, fork: int, reader: int):
        self._fork = fork
        self._has_ended = False
        self._reader = reader
        self._notes = bytearray()
        self._parts: dict[bytes, bytes] = {}
        self._prog = os.path.basename(sys.argv[0]).replace("__main__.py", "alm-beam")
        self._is_drawn_on = False
        self._folders: list[str] = []
        self._end_note = b""
        self._is_prepared = True
        self._number = 0
        self._is_told = False

    def wait(self) -> NoReturn:
        """Waits for the fork, and ends this process as it has ended; or, by a signal, the fork before it."""
        told, teller = os.pipe()
        for end in (told, teller):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(teller)
        signal.signal(signal.SIGCHLD, _do_nothing)
        for number in self._not_ignored():
            signal.signal(number, _do_nothing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SAID)
        sources = [told, self._reader]
        while True:
            pid, status = os.waitpid(self._fork, os.WNOHANG)
            ready = [] if pid else select.select(sources, [], [], None if self._is_prepared else _IDLE_SECONDS)[0]
            received = {*_read(told)} & {*self._not_ignored()}
            if self._reader in ready and not self._take_notes():
                sources.remove(self._reader)
            if pid:
                self._has_ended = True
                self._end_as(os.waitstatus_to_exitcode(status))
            if received:
                self._end(min(received))
            if not ready:
                self._prepare()

    def _end_as(self, code: int) -> NoReturn:
        """Ends this process as the fork has ended: with its exit code, or by the signal that ended it."""
        if code < 0:
            self._end(-code)
        os._exit(code)

    def _not_ignored(self) -> list[int]:
        return [number for number in _SAID if signal.getsignal(number) is not signal.SIG_IGN]

    def _take_notes(self) -> bool:
        """Takes in what the fork has to tell; False when there will be no more."""
        read = os.read(self._reader, 1 << 16)
        self._notes += read
        head = _HEAD_BYTES
        while len(self._notes) >= head and len(self._notes) >= (end := head + int.from_bytes(self._notes[:2], "big")):
            is_last, writer, part = self._notes[2], bytes(self._notes[3:head]), bytes(self._notes[head:end])
            del self._notes[:end]
            self._parts[writer] = self._parts.get(writer, b"") + part
            if is_last:
                name, _, value = self._parts.pop(writer).partition(b" ")
                self._take_in(name.decode(), value)
        return bool(read)

    def _take_in(self, name: str, value: bytes) -> None:
        if name == "prog":
            self._prog = os.fsdecode(value)
        elif name == "drawing":
            self._is_drawn_on = True
        elif name == "folder":
            self._folders.append(os.fsdecode(value))
        else:
            self._end_note, self._is_prepared = value, False

    def _prepare(self) -> None:
        """Imports what the end needs, so that it need not then."""
        self._is_prepared = True
        with suppress(Exception):  # it is told at the end
            self._left()

    def _left(self) -> Callable[[], str]:
        """What to do at the end."""
        import pickle

        left: Callable[[], str] = pickle.loads(self._end_note) if self._end_note else Said(AGAIN)
        return left

    def _end(self, number: int) -> NoReturn:
        """Ends the command. A second Ctrl-C changes nothing then, as there is an end to the time that it takes."""
        self._number = number
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGALRM, self._give_up)
        signal.setitimer(signal.ITIMER_REAL, _LONGEST_END_SECONDS)
        self._end_fork()
        os.set_blocking(self._reader, False)
        with suppress(OSError):
            while self._take_notes():
                pass
        for folder in self._folders:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)
        try:
            left = self._left()()
        except Exception as error:
            from alm_beam.storage.paths import reason

            left = f"what it leaves cannot be told ({reason(error)}); {AGAIN}"
        self._tell(left)

    def _end_fork(self) -> None:
        if not self._has_ended:
            _kill(self._fork)
            self._has_ended = True

    def _give_up(self, *_: object) -> NoReturn:
        """The end of the time that there is to look after what is left."""
        signal.setitimer(signal.ITIMER_REAL, 0.2)  # a terminal that is held must not hold this process
        self._end_fork()
        self._tell(f"without _SUCCESS, what it leaves is not complete; {AGAIN}")

    def _tell(self, left: str) -> NoReturn:
        """Says how things are, once, and ends this process."""
        if not self._is_told:
            self._is_told = True
            from alm_beam.core.text import visible

            clear = _SHOWS_CURSOR if self._is_drawn_on and os.isatty(2) else ""
            line = f"{visible(self._prog)}: {_said(self._number)}; {visible(left)}\n"
            encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
            with suppress(OSError):
                os.write(2, (clear + line).encode(encoding, "backslashreplace"))
        if self._number not in _SAID:
            _end_by(self._number)
        os._exit(128 + self._number)


def _said(number: int) -> str:
    """What is said of a signal that has ended the command, or its work alone."""
    if number in _SAID:
        return _SAID[number]
    memory = ", as where memory is short" if number == signal.SIGKILL else ""
    name = signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"
    return f"its work was ended by {name}{memory}"


def _end_by(number: int) -> None:
    """Ends this process by a signal, without another core dump."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _do_nothing(*_: object) -> None:
    """What has come is read from the pipe that wakes this process."""


def _read(told: int) -> bytes:
    try:
        return os.read(told, 1 << 10)
    except BlockingIOError:
        return b""


def _kill(pid: int) -> None:
    """Ends a process that is a child of this one, and all that come from it."""
    import time

    deadline = time.monotonic() + _LONGEST_KILL_SECONDS
    if sys.platform == "linux":
        _prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what has ended is reaped here, as not every first process does it
    killed = [pid]
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)  # it sees none of its own die, and starts no more
    while (living := _descendants(pid)) and time.monotonic() < deadline:
        killed += living
        for each in living:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGKILL)
        time.sleep(0.002)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for each in killed:
        with suppress(ChildProcessError):
            while os.waitpid(each, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
                time.sleep(0.002)


def _descendants(pid: int) -> list[int]:
    """The processes that come from one and live."""
    found, children = [pid], _children()
    for each in found:
        found += children.get(each, ())
    return found[1:]


def _children() -> dict[int, list[int]]:
    """The living processes of this machine, by their parents."""
    children: dict[int, list[int]] = {}
    for pid, parent, state in _processes():
        if not state.startswith("Z"):
            children.setdefault(parent, []).append(pid)
    return children


def _processes() -> Iterator[tuple[int, int, str]]:
    """Each process of this machine, its parent and its state."""
    if not os.path.exists("/proc/self/stat"):
        import subprocess

        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,state="], capture_output=True, text=True, check=False)
        for line in listed.stdout.splitlines():
            pid, parent, state = line.split()[:3]
            yield int(pid), int(parent), state
        return
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].decode().split()[:2]
                yield int(name), int(parent), state
