"""How far a run is, on stderr: a bar on a terminal, and else a line now and then."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from alm_beam.cli.output import styled_stderr
from alm_beam.cli.process import note_drawing
from alm_beam.jobs.watch import ToDo
from alm_beam.storage.tally import Counts, Tally

if TYPE_CHECKING:
    from rich.console import Console

_FIRST_SECONDS: float = 1
"""A shorter run shows nothing."""

_BAR_SECONDS, _LINE_SECONDS = 1.0, 30.0

_BAR_COLUMNS = 16
_BAR_FITS_COLUMNS = 110
"""On a narrower terminal, the numbers have the room of the bar."""


@contextmanager
def progress(prog: str, tally: Tally, to_do: ToDo) -> Iterator[None]:
    """Shows how far the work is while the block lasts, by a thread.

    Args:
        prog: the command's name.
        tally: what is done.
        to_do: what there is to do.
    """
    ended = threading.Event()

    def run() -> None:
        if not ended.wait(_FIRST_SECONDS):
            console = _console()
            if console:
                _show_bar(console, tally, to_do, ended)
            else:
                _show_lines(prog, tally, to_do, ended)

    thread = threading.Thread(target=run, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def counted_progress(prog: str, to_do: ToDo) -> Iterator[None]:
    """Counts what is done while the block lasts, and shows it; see `progress`."""
    tally = Tally()
    with tally.kept(), progress(prog, tally, to_do):
        yield


def _console() -> "Console | None":
    """The terminal, if stderr is one that a bar can be drawn on."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console

    console = Console(file=styled_stderr())
    return console if console.is_terminal and not console.is_dumb_terminal else None


def _show_bar(console: "Console", tally: Tally, to_do: ToDo, ended: threading.Event) -> None:
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    column = Column(no_wrap=True, overflow="ellipsis")  # Ctrl-C leaves nothing of one line
    text = TextColumn("{task.fields[text]}", markup=False, table_column=column)
    note_drawing()
    began = time.monotonic() - _FIRST_SECONDS
    with Progress(
        *([BarColumn(_BAR_COLUMNS)] if console.width >= _BAR_FITS_COLUMNS else []),
        text,
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        task = bar.add_task("", total=None, text="")
        is_last = False
        while not is_last:
            is_last = ended.wait(_BAR_SECONDS)
            counts = tally.counts()
            text_now = _text(counts, to_do, time.monotonic() - began)
            total = to_do.total(counts) or None
            bar.update(task, completed=to_do.done(counts), total=total, text=text_now, refresh=True)


def _show_lines(prog: str, tally: Tally, to_do: ToDo, ended: threading.Event) -> None:
    began, passed = time.monotonic() - _FIRST_SECONDS, _FIRST_SECONDS
    while not ended.wait(_LINE_SECONDS - passed % _LINE_SECONDS):
        passed = time.monotonic() - began
        print(f"{prog}: {_text(tally.counts(), to_do, passed)}", file=sys.stderr)


def _text(counts: Counts, to_do: ToDo, seconds: float) -> str:
    """What is done of the total, the time that is left, how fast it was, and what came of it."""
    done, total = to_do.done(counts), to_do.total(counts)
    parts = [f"{done / total:.0%}"] if total else []
    if total and done >= total:
        parts.append(to_do.at_end)  # nobody knows for how long
    elif total and done:
        parts.append(f"{_duration(seconds * (total - done) / done)} left")
    if to_do.unit == "bytes":
        parts.append(f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB")
        rate = f"{done / 1e6 / seconds:,.1f} MB/s"
    else:
        parts.append(f"{done:,} of {_number(total, to_do.unit)}")
        rate = f"{done / seconds:,.1f}/s"
    if done < total:
        parts.append(rate)
    return ", ".join([*parts, *(_number(getattr(counts, name), name) for name in to_do.names)])


def _number(count: int, name: str) -> str:
    return f"{count:,} {name.removesuffix('s') if count == 1 else name}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
