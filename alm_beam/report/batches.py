"""What `alm-beam batches` tells of an epoch, as text for a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import starmap

from alm_beam.core.epoch_outline import (
    BYTES_PER_SAMPLE,
    BatchOutline,
    BucketOutline,
    BudgetOutline,
    EpochOutline,
    LastStep,
    padding,
)
from alm_beam.report.table import hours, row, share

_BAR_WIDTH = 40

_MEMORY = """\
memory: the input of a batch has at most {bytes}, as float32. What a model keeps for each sample is a multiple of that,
  which its own trial tells. Try the sizes below in turn, each with the batches of alm_beam.largest_batches
  (most samples, longest window, most windows) and a whole training step, until one does not fit; then halve the gap
  between it and the one before. alm_beam.largest_budget does so."""


def render_outline(outline: EpochOutline) -> str:
    """Lines that tell what an epoch looks like: its steps, its padding, its buckets, and which sizes to try."""
    return "\n".join(
        [
            *starmap(row, _rows(outline)),
            *_histogram(outline),
            *_table("buckets", _BUCKET_NAMES, (_bucket(each, outline.sample_rate) for each in outline.buckets)),
            _MEMORY.format(bytes=_bytes(outline.most_samples)),
            *_table("sizes to try", _BUDGET_NAMES, (_budget(each, outline.sample_rate) for each in outline.budgets)),
        ]
    )


def _rows(outline: EpochOutline) -> Iterator[tuple[str, ...]]:
    rate = outline.sample_rate
    yield "windows", f"{outline.source_windows:,}", hours(outline.source_seconds)
    left_out = outline.shorter + outline.longer
    yield "  left out of all epochs", f"{left_out:,}", hours(outline.left_out_seconds)
    if left_out:
        yield "    too short", f"{outline.shorter:,}"
        yield "    too long", f"{outline.longer:,}"
    yield f"  in epoch {outline.epoch}", f"{outline.windows:,}", hours(outline.samples / rate)
    yield "  dropped, as they do not fill a step", f"{outline.dropped:,}", hours(outline.dropped_samples / rate)
    yield "steps, which are batches of each rank", f"{outline.steps:,}"
    yield f"batches of all {outline.world_size:,} ranks", f"{outline.batches:,}"
    if outline.steps:
        mean = outline.padded_samples / outline.batches / rate
        yield "  windows of a batch, on average", f"{outline.windows / outline.batches:,.1f}", f"{mean:,.1f} s"
    yield "padding", f"{outline.padding:.2%}", hours((outline.padded_samples - outline.samples) / rate)
    if outline.last_step:
        yield "windows of the last step", *_last_step(outline.last_step)
    if outline.largest:
        yield "the largest batches", "windows", "longest window", "with padding", "samples", "bytes"
        for name, batch in outline.largest._asdict().items():
            yield f"  {_LARGEST[name]}", *_batch(batch, rate)


_LARGEST = {"samples": "most samples", "longest": "the longest window", "windows": "most windows"}


def _batch(batch: BatchOutline, rate: int) -> tuple[str, ...]:
    samples = batch.padded_samples
    return f"{batch.windows:,}", _seconds(batch.longest, rate), _seconds(samples, rate), f"{samples:,}", _bytes(samples)


def _last_step(step: LastStep) -> tuple[str, ...]:
    empty = f"{step.empty:,} ranks have none" if step.empty else ""
    return f"{step.windows:,}", f"of {step.full:,}", share(step.windows, step.full), *filter(None, [empty])


def _histogram(outline: EpochOutline) -> Iterator[str]:
    yield f"{'lengths, s':>24}{'windows':>14}{'hours':>14}"
    most = max(each.windows for each in outline.lengths)
    for each in outline.lengths:
        bar = "#" * -(-_BAR_WIDTH * each.windows // most)
        between = f"{each.begin:,g} to {each.end:,g}"
        yield f"{between:>24}{each.windows:>14,}{each.seconds / 3600:>14,.2f}  {bar}".rstrip()


_BUCKET_NAMES = ("longest, s", "samples", "batch size", "steps", "windows", "hours", "padding")


def _bucket(bucket: BucketOutline, rate: int) -> tuple[str, ...]:
    return (
        f"{bucket.longest / rate:,.3f}",
        f"{bucket.longest:,}",
        f"{bucket.size:,}",
        f"{bucket.steps:,}",
        f"{bucket.windows:,}",
        f"{bucket.samples / rate / 3600:,.2f}",
        f"{padding(bucket.samples, bucket.padded_samples):.2%}" if bucket.windows else "-",
    )


_BUDGET_NAMES = ("seconds", "max_num_elements", "batch size", "steps", "bytes of a batch")


def _budget(budget: BudgetOutline, rate: int) -> tuple[str, ...]:
    elements = budget.max_num_elements
    sizes = f"{budget.fewest:,}" if budget.fewest == budget.most else f"{budget.fewest:,} to {budget.most:,}"
    return (
        f"{budget.padded_samples / rate if elements is None else elements / rate:,.1f}",
        "-" if elements is None else f"{elements:,}",
        sizes,
        f"{budget.steps:,}",
        _bytes(budget.padded_samples),
    )


def _table(title: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A title, and columns that are as wide as they have to be."""
    table = [names, *rows]
    if len(table) == 1:
        return
    widths = [max(map(len, column)) for column in zip(*table)]
    yield title
    for cells in table:
        yield "  " + "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths))


def _seconds(samples: int, rate: int) -> str:
    return f"{samples / rate:,.3f} s"


def _bytes(samples: int) -> str:
    return f"{samples * BYTES_PER_SAMPLE / 1e6:,.2f} MB"
