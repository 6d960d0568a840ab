"""`make bench`: prints the tables; writes them as JSON, and a plot of time against size."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib

from benchmarks import (
    bandwidth,
    batch_plan,
    batch_streams,
    floor,
    index,
    job,
    large_index,
    lines,
    loader,
    measure,
    order,
    progress,
    report,
    selection,
    shards,
    startup,
    steps,
    sweep,
)

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    jobs = list(_job_rows())
    starts = list(startup.print_rows(startup.rows(rounds=5)))
    parts = list(steps.print_rows(steps.rows()))
    kernels = list(_kernel_rows())
    long_lines = list(_long_line_rows())
    selections = list(_selection_rows())
    indices = list(_index_rows())
    loaders = list(_loader_rows())
    large = list(large_index.print_rows(large_index.rows()))
    bandwidths = list(bandwidth.print_rows(bandwidth.rows()))
    plans = list(batch_plan.print_rows(batch_plan.rows()))
    orders = list(order.print_rows(order.rows()))
    measures = list(_measure_rows())
    streams = list(_stream_rows())
    sliced = list(shards.print_rows(shards.rows()))
    reports = list(report.print_rows(report.rows()))
    sweeps = list(sweep.print_rows(sweep.rows()))
    shown = list(progress.print_rows(progress.rows(rounds=3)))
    tables = {
        "kernel": kernels,
        "job": jobs,
        "startup": starts,
        "steps": parts,
        "lines": long_lines,
        "selection": selections,
        "index": indices,
        "loader": loaders,
        "large_index": large,
        "bandwidth": bandwidths,
        "batch_plan": plans,
        "order": orders,
        "measure": measures,
        "streams": streams,
        "shards": sliced,
        "report": reports,
        "sweep": sweeps,
        "progress": shown,
    }
    results = {name: [row._asdict() for row in table] for name, table in tables.items()}
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    _plot(kernels, jobs, out / "growth.png")
    print(f"\n{out}/results.json, {out}/growth.png")


def _job_rows() -> Iterator[job.Row]:
    print("The whole job, without further flags. Ratio: to a Beam job that copies a file of the output's size.")
    print(
        f"{'':34}{'recs':>7}{'MB in':>8}{'MB out':>8}{'seconds':>9}{'copy s':>8}{'ratio':>7}{'spread':>8}"
        f"{'MB/s in':>9}{'MB/s out':>10}{'peak MB':>9}"
    )
    for row in job.rows():
        bytes_in, bytes_out = row.bytes_in / 1e6, row.bytes_out / 1e6
        print(
            f"{row.name:34}{row.recordings:>7}{bytes_in:>8.1f}{bytes_out:>8.1f}{row.job:>9.2f}{row.copy:>8.2f}"
            f"{row.ratio:>7.2f}{row.spread:>8.2f}{bytes_in / row.job:>9.1f}{bytes_out / row.job:>10.1f}"
            f"{row.peak_memory / 1e6:>9.0f}",
            flush=True,
        )
        yield row


def _kernel_rows() -> Iterator[floor.Row]:
    print("\nOne line in and out, one core. Ratio: to the floor (orjson.loads of the input, one copy of the output).")
    print(
        f"{'':34}{'recs':>6}{'segments':>10}{'ms/rec':>9}{'MB/s in':>9}{'MB/s out':>9}{'ratio':>7}{'spread':>8}"
        f"{'peak MB':>9}"
    )
    for row in floor.rows(seconds=4):
        print(
            f"{row.name:34}{row.recordings:>6}{row.segments:>10}{row.kernel / row.recordings * 1e3:>9.3f}"
            f"{row.bytes_in / row.kernel / 1e6:>9.1f}{row.bytes_out / row.kernel / 1e6:>9.1f}"
            f"{row.ratio:>7.2f}{row.spread:>8.2f}{row.peak_memory / 1e6:>9.0f}",
            flush=True,
        )
        yield row


def _long_line_rows() -> Iterator[lines.Row]:
    print("\nOne long line, read in ranges of 8 MiB. Ratio: to reading the file's bytes once.")
    print(f"{'MB':>8}{'seconds':>9}{'ratio':>7}{'ns/byte':>9}{'parse s':>9}{'peak MB':>9}")
    for row in lines.rows():
        print(
            f"{row.bytes_in / 1e6:>8.1f}{row.reading:>9.3f}{row.ratio:>7.2f}{row.reading / row.bytes_in * 1e9:>9.2f}"
            f"{row.parsing:>9.2f}{row.peak_memory / 1e6:>9.0f}",
            flush=True,
        )
        yield row


def _selection_rows() -> Iterator[selection.Row]:
    print("\nOne line in and out by other selections. Ratio: to the greedy one.")
    print(
        f"{'':30}{'selection':>12}{'candidates':>12}{'recs':>6}{'segments':>10}{'ms/rec':>9}{'ratio':>7}{'spread':>8}"
    )
    for row in selection.rows(seconds=2):
        print(
            f"{row.name:30}{row.selection:>12}{row.candidates:>12}{row.recordings:>6}{row.segments:>10}"
            f"{row.seconds / row.recordings * 1e3:>9.3f}{row.ratio:>7.2f}{row.spread:>8.2f}",
            flush=True,
        )
        yield row


def _index_rows() -> Iterator[index.Row]:
    print("\nThe index of existing cuts, one core. Hashing: of the lines alone. Share: of the job that wrote the cuts.")
    print(f"{'':34}{'rows':>9}{'MB':>8}{'seconds':>9}{'MB/s':>7}{'hash s':>8}{'open ms':>9}{'share':>7}")
    for row in index.rows():
        share, megabytes = f"{row.build / row.job:>7.1%}" if row.job else "", row.bytes_in / 1e6
        print(
            f"{row.name:34}{row.rows:>9}{megabytes:>8.1f}{row.build:>9.3f}{megabytes / row.build:>7.0f}"
            f"{row.hashing:>8.3f}{row.opening * 1e3:>9.1f}{share}",
            flush=True,
        )
        yield row


def _loader_rows() -> Iterator[loader.Row]:
    print("\nThe loader on cuts of about 460 bytes: one process, its core's time, warm cache.")
    for row in loader.rows():
        print(f"{row.name:62}{row.rows:>12,}{row.value:>14,.2f} {row.unit}", flush=True)
        yield row


def _measure_rows() -> Iterator[measure.Row]:
    print("\nBandwidths of segments. Speed: in multiples of a plain loop of soundfile and NumPy.")
    print(
        f"{'':26}{'hours':>7}{'segments':>10}{'seconds':>9}{'plain s':>9}{'speed':>7}{'spread':>8}"
        f"{'2 processes s':>15}{'speed-up':>10}{'peak MB':>9}"
    )
    for row in measure.rows():
        print(
            f"{row.name:26}{row.hours:>7.2f}{row.segments:>10}{row.measuring:>9.2f}{row.plain:>9.2f}{row.speed:>7.2f}"
            f"{row.spread:>8.2f}{row.two_processes:>15.2f}{row.both:>10.2f}{row.peak_memory / 1e6:>9.0f}",
            flush=True,
        )
        yield row


def _stream_rows() -> Iterator[batch_streams.Row]:
    print("\nBatches of a stream of (id, length), one core. Ratio: to a loop that appends each item to a list.")
    print(f"{'':62}{'items':>12}{'items/s':>12}{'ratio':>7}{'spread':>8}")
    for row in batch_streams.rows():
        print(
            f"{row.name:62}{row.items:>12,}{row.items_a_second:>12,.0f}{row.ratio:>7.1f}{row.spread:>8.2f}", flush=True
        )
        yield row


def _plot(kernels: list[floor.Row], jobs: list[job.Row], path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    for name in sorted({row.name for row in kernels if row.name.startswith("one recording")}):
        found = [row for row in kernels if row.name == name]
        left.plot([row.bytes_out / 1e6 for row in found], [row.kernel for row in found], marker="o", label=name)
    left.set(xlabel="output of one recording, MB", ylabel="seconds", title="one recording, 1,250 to 20,000 segments")
    left.legend()
    files = [row for row in jobs if row.name == "one file"]
    right.plot([row.bytes_out / 1e6 for row in files], [row.job for row in files], marker="o", label="job")
    right.plot([row.bytes_out / 1e6 for row in files], [row.copy for row in files], marker="o", label="copy")
    right.set(xlabel="output, MB", ylabel="seconds", title="whole job")
    right.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench_output"))
