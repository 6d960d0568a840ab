"""How far a run is, on stderr: a bar on a terminal, and else a line now and then."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from alm_beam.cli.output import styled_stderr
from alm_beam.cli.process import note_drawing
from alm_beam.jobs.watch import ToDo
from alm_beam.storage.tally import Tally

_FIRST_SECONDS: float = 1
"""A shorter run shows nothing."""

_BAR_SECONDS, _LINE_SECONDS = 1.0, 30.0


@contextmanager
def progress(prog: str, tally: Tally, to_do: ToDo) -> Iterator[None]:
    """Shows how far the work is while the block lasts, by a thread.

    Args:
        prog: the command's name.
        tally: what is done.
        to_do: what there is to do.
    """
    ended = threading.Event()
    show = _show_bar if sys.stderr.isatty() else _show_lines

    def run() -> None:
        if not ended.wait(_FIRST_SECONDS):
            show(prog, tally, to_do, ended)

    thread = threading.Thread(target=run, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _show_bar(_: str, tally: Tally, to_do: ToDo, ended: threading.Event) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    columns = (
        BarColumn(bar_width=16),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[counted]}", markup=False, table_column=Column(no_wrap=False)),
    )
    note_drawing()
    began = time.monotonic() - _FIRST_SECONDS
    with Progress(
        *columns,
        console=Console(file=styled_stderr()),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        task = bar.add_task("", total=None, counted="")
        is_last = False
        while not is_last:
            is_last = ended.wait(_BAR_SECONDS)
            counts = tally.counts()
            done, total = to_do.done(counts), to_do.total(counts)
            counted = _counted(tally, to_do, time.monotonic() - began)
            bar.update(task, completed=done, total=total or None, counted=counted, refresh=True)


def _show_lines(prog: str, tally: Tally, to_do: ToDo, ended: threading.Event) -> None:
    began, passed = time.monotonic() - _FIRST_SECONDS, _FIRST_SECONDS
    while not ended.wait(_LINE_SECONDS - passed % _LINE_SECONDS):
        passed = time.monotonic() - began
        counts = tally.counts()
        done, total = to_do.done(counts), to_do.total(counts)
        share = f"{done / total:.0%}, " if total else ""
        left = f"{_duration(passed * (total - done) / done)} left, " if total and done else ""
        print(f"{prog}: {share}{left}{_counted(tally, to_do, passed)}", file=sys.stderr)


def _counted(tally: Tally, to_do: ToDo, seconds: float) -> str:
    """What is done of the total, how fast, and what came of it."""
    counts = tally.counts()
    done, total = to_do.done(counts), to_do.total(counts)
    if to_do.unit == "bytes":
        of_total = f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB, {done / 1e6 / seconds:,.1f} MB/s"
    else:
        of_total = f"{done:,} of {total:,} {to_do.unit}, {done / seconds:,.1f}/s"
    return ", ".join([of_total, *(f"{getattr(counts, name):,} {name}" for name in to_do.names)])


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
