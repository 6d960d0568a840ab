"""Both orders of the loader, from a local disk and from a store where each request takes 20 ms more.

The store is the tests' server of S3, a process on this machine: its own time for a request, some ms, is part of what is
measured. Pages of local files are dropped from the cache before each pass. Both orders take turns; medians of three, in
seconds of the clock.

`python -m benchmarks.order FOLDER` measures shards of your own, with their audio.
"""

import inspect
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from alm_beam.loader import Partition, WindowLoader
from alm_beam.storage.index.build import build_index
from tests.servers.faults import Proxy, proxy
from tests.servers.stores import Store, serving

ORDERS = ("windows", "shards")
ROUNDS = 3
DELAY = 0.020
CUTS = 24_000
FILES = 12
READ = 12_000
"""Windows of a pass by `order="shards"`, and of each pass from the disk."""

READ_SINGLY = 1500
"""Windows of a pass from the store by `order="windows"`, each of which is a request."""


class Row(NamedTuple):
    """Both orders at one place; `requests` is for 1,000 windows, None on a disk."""

    name: str
    order: str
    windows: int
    seconds: float
    requests: float | None

    @property
    def speed(self) -> float:
        """Windows a second."""
        return self.windows / self.seconds


def rows(folder: str | None = None, shuffle_window: int = 1024, **options: Any) -> Iterator[Row]:
    """The measurements.

    Args:
        folder: of cuts with an index; None: cuts of about 5 kB are made.
        shuffle_window: see `WindowLoader`.
        options: more of the loader's, such as `audio=True`.
    """
    with tempfile.TemporaryDirectory() as made:
        here = folder or _made(Path(made))
        yield from _medians("local disk", lambda order: _from_disk(here, order, shuffle_window, options))
        with serving("s3") as store, proxy(store.port) as between:
            there = _uploaded(store, here)
            slow = store.behind(between.port)
            yield from _medians(
                "S3 server, 20 ms", lambda order: _from_store(there, slow, between, order, shuffle_window, options)
            )


def _medians(name: str, measure: Any) -> Iterator[Row]:
    found: dict[str, list[tuple[int, float, float | None]]] = {order: [] for order in ORDERS}
    for _ in range(ROUNDS):
        for order in ORDERS:
            found[order].append(measure(order))
    for order, passes in found.items():
        windows, _, requests = passes[0]
        yield Row(name, order, windows, statistics.median(seconds for _, seconds, _ in passes), requests)


def _from_disk(folder: str, order: str, shuffle_window: int, options: dict[str, Any]) -> tuple[int, float, None]:
    loader = WindowLoader(folder, seed=1, order=order, shuffle_window=shuffle_window, **options)
    for path in Path(folder).rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return *_pass(loader, READ), None


def _from_store(
    url: str, store: Store, between: Proxy, order: str, shuffle_window: int, options: dict[str, Any]
) -> tuple[int, float, float]:
    between.delay = 0
    more = {"storage_options": {store.scheme: store.options}, **options}
    loader = WindowLoader(url, seed=1, order=order, shuffle_window=shuffle_window, **more)
    between.delay = DELAY
    before = len(between.requests)
    windows, seconds = _pass(loader, READ_SINGLY if order == "windows" else READ)
    return windows, seconds, (len(between.requests) - before) / windows * 1000


def _pass(loader: WindowLoader, most: int) -> tuple[int, float]:
    """A pass over a part of so many windows at most, to its end: nothing that it asked for comes in the next one."""
    loader.partition = Partition(0, -(-len(loader) // most))
    begin = time.perf_counter()
    windows = sum(1 for _ in loader)
    return windows, time.perf_counter() - begin


def _made(folder: Path) -> str:
    """Cuts as a run makes them of conversations: of about 5 kB, with 30 supervisions."""
    for shard in range(FILES):
        with (folder / f"cuts-{shard:05}-of-{FILES:05}.jsonl").open("wb") as file:
            file.writelines(_cut(number) for number in range(shard, CUTS, FILES))
    os.sync()
    build_index(str(folder))
    return str(folder)


def _cut(number: int) -> bytes:
    said = {"recording_id": f"r{number // 50}", "channel": 0, "text": "good morning, how are you", "speaker": "anna"}
    supervisions = [said | {"id": f"{number}-{turn}", "start": 4.0 * turn, "duration": 3.5} for turn in range(30)]
    cut = {"id": f"cut-{number:08}", "start": 60.0 * (number % 50), "duration": 120.0, "channel": 0}
    cut |= {"supervisions": supervisions, "custom": {"source": "made"}, "type": "MonoCut"}
    return orjson.dumps(cut, option=orjson.OPT_APPEND_NEWLINE)


def _uploaded(store: Store, folder: str) -> str:
    url = f"{store.bucket()}/cuts"
    files = sorted(
        (path for path in Path(folder).rglob("*") if path.is_file()), key=lambda path: path.name == "index.json"
    )
    for path in files:
        store.write(f"{url}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return url


def print_rows(found: Iterator[Row]) -> Iterator[Row]:
    """Prints a line for each row, and gives the rows again."""
    print("\nBoth orders of the loader, one process, nothing of the data in the page cache.")
    print(f"{'':20}{'order':>10}{'windows':>10}{'seconds':>10}{'windows/s':>12}{'requests per 1,000':>20}")
    for row in found:
        requests = "" if row.requests is None else f"{row.requests:,.1f}"
        print(
            f"{row.name:20}{row.order:>10}{row.windows:>10,}{row.seconds:>10.2f}{row.speed:>12,.0f}{requests:>20}",
            flush=True,
        )
        yield row


if __name__ == "__main__":
    options = {"audio": True} if "audio" in inspect.signature(WindowLoader).parameters else {}
    for _ in print_rows(rows(sys.argv[1], **options) if sys.argv[1:] else rows()):
        pass
