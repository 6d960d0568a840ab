"""Whether what is written of a recording would be too large, found before it is made.

A window contains each of its segments, so what is written of segments that all overlap grows with the square of their
number: 4,000 of them, 0.5 MB of manifest, would give 3 GB.
"""

from collections.abc import Callable
from itertools import accumulate

import orjson

from alm_beam.core.config import EntryConfig
from alm_beam.core.faults import BadEntry
from alm_beam.core.overlap import KeptWindows
from alm_beam.core.size_limits import too_large
from alm_beam.core.truncation import Truncation
from alm_beam.core.window_columns import WindowSlices

_WINDOW_BYTES = range(50, 200)
"""The JSON of a window without its segments has at least and at most so many bytes; that of a lost candidate, too."""

_TRUNCATION_BYTES = 60
"""A truncated segment is longer than the whole one and its words by at most this: a key, and digits of its end."""

_CUTS_BYTES = 1 << 30
"""The cuts of one recording, which are made before any is written, have no more bytes together than this.

They may have more if one line may have more.
"""

_SUPERVISION_BYTES = 60
"""A supervision is longer than its segment by about this."""

_CUT_BYTES = 400
"""A cut has about this beside its supervisions and the fields of its entry."""


def check_entry_bytes(
    kept: KeptWindows,
    config: EntryConfig,
    other_bytes: int,
    begins: list[int],
    truncated_bytes: Callable[[int, Truncation], int],
) -> None:
    """Checks that the line of a recording in `alm_output` is not longer than `config.max_line_bytes`.

    What a window has beside its segments is counted with the least that it may be.

    Args:
        kept: the windows of the recording.
        config: what is written of it.
        other_bytes: the size of the entry's fields that contain no windows.
        begins: the places at which the segments begin in the JSON of all of them; then the one at which it ends.
        truncated_bytes: gives the size of a truncated segment from its index and what changes.

    Raises:
        BadEntry: the line would be longer.
    """
    candidates, limit = kept.candidates, config.max_line_bytes
    longest, lost = candidates.longest, candidates.lost
    count = len(kept.indices)
    if config.candidate_windows:
        count += len(longest) + 3 * len(lost)  # each of those lost is written with two more segments
    largest = begins[-1] + len(candidates.recording.line.text) + _WINDOW_BYTES.stop + _TRUNCATION_BYTES
    if other_bytes + count * largest <= limit:
        return

    chosen = candidates.columns.take(kept.indices)
    total = other_bytes + _least_bytes(chosen, begins)
    shortened = _truncated_in(chosen)
    if config.candidate_windows:
        failed = WindowSlices(*map(list, zip(*[(each.first, each.stop, each.truncation) for each in lost])))
        beside = [each.stopped_at for each in lost] + [max(each.first - 1, 0) for each in lost]
        total += _least_bytes(longest, begins) + _least_bytes(failed, begins)
        total += sum(begins[index + 1] - begins[index] for index in beside)
        shortened += _truncated_in(longest) + _truncated_in(failed)

    words = candidates.recording.words
    more = sum(begins[index + 1] - begins[index] + len(words[index]) + _TRUNCATION_BYTES for index, _ in shortened)
    if total + more + count * (_WINDOW_BYTES.stop - _WINDOW_BYTES.start) > limit:
        for index, truncation in shortened:
            if total > limit:
                break
            total += truncated_bytes(index, truncation)
    if total > limit:
        raise entry_fault(kept, config, total, other_bytes, begins)


def _truncated_in(windows: WindowSlices) -> list[tuple[int, Truncation]]:
    """The index and the truncation of each truncated segment in windows."""
    return [(stop - 1, each) for stop, each in zip(windows.stops, windows.truncations) if each is not None]


def _least_bytes(windows: WindowSlices, begins: list[int]) -> int:
    """What the JSON of windows has at least: their whole segments, and what each window has."""
    place = begins.__getitem__
    whole = sum(map(place, windows.stops)) - sum(map(place, windows.firsts))
    shortened = sum(begins[index + 1] - begins[index] for index, _ in _truncated_in(windows))
    return whole - shortened + _WINDOW_BYTES.start * len(windows)


def entry_fault(kept: KeptWindows, config: EntryConfig, total: int, other_bytes: int, begins: list[int]) -> BadEntry:
    """The fault of a recording whose line would have at least `total` bytes; for the others see `check_entry_bytes`."""
    limit, candidates = config.max_line_bytes, kept.candidates
    found = f"the line of alm_output would have at least {total:,} bytes, more than --max_line_bytes={limit}"
    if other_bytes > limit:
        return too_large(
            f"{found}: the entry's own fields have {other_bytes:,}; leave some out with --drop_fields_top_level"
        )
    windows = f"{len(kept.indices):,} kept windows of {len(candidates.recording.segments):,} segments"
    if config.candidate_windows:
        windows = f"{len(candidates.longest) + len(candidates.lost):,} candidates and {windows}"
    found += f", with {windows}; "
    kept_bytes = other_bytes + _least_bytes(candidates.columns.take(kept.indices), begins)
    if config.candidate_windows and kept_bytes <= limit:
        return too_large(f"{found}--no_candidate_windows leaves about {kept_bytes:,} bytes, or raise --max_line_bytes")
    return too_large(f"{found}check whether so many segments overlap in time; otherwise raise --max_line_bytes")


def check_cuts_bytes(kept: KeptWindows, config: EntryConfig) -> None:
    """Checks that no cut of a recording is longer than `config.max_line_bytes`, nor all together than 1 GiB or that.

    Their sizes are estimated.

    Args:
        kept: the windows of the recording.
        config: what is written of it.

    Raises:
        BadEntry: a cut would be longer, or all of them together.
    """
    recording, limit = kept.candidates.recording, config.max_line_bytes
    largest = _CUT_BYTES + len(recording.line.text) + 3 * _SUPERVISION_BYTES * len(recording.segments)
    if len(kept.indices) * largest <= limit:
        return
    sizes = [
        _SUPERVISION_BYTES
        + len(orjson.dumps({field: value for field, value in segment.items() if field not in config.drop_fields}))
        for segment in recording.segments
    ]
    if "words" not in config.drop_fields:
        sizes = [size + len(words) for size, words in zip(sizes, recording.words)]
    begins = list(accumulate(sizes, initial=0))
    columns = kept.candidates.columns
    cuts = [_CUT_BYTES + begins[columns.stops[index]] - begins[columns.firsts[index]] for index in kept.indices]
    limit_together = max(limit, _CUTS_BYTES)
    found = f"its {len(cuts):,} cuts together would have about {sum(cuts):,} bytes, more than {limit_together}"
    if max(cuts) > limit:
        found = f"its longest cut would have about {max(cuts):,} bytes, more than --max_line_bytes={limit}"
    elif sum(cuts) <= limit_together:
        return
    raise too_large(
        f"{found}; check whether so many segments overlap in time; otherwise raise --max_line_bytes, or write no cuts "
        "(--no_cuts)"
    )
