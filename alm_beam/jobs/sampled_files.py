"""The bytes of files that a run writes once, from what a sample of its input gave. No Beam."""

from collections.abc import Mapping
from typing import Any

import orjson

from alm_beam.core.run_stats import RunStats
from alm_beam.storage.index.format import FOLDER, META, OFFSETS_ENDING
from alm_beam.storage.index.meta import VERSION, Label, LabelSet, Meta, Shard, encoded_meta
from alm_beam.storage.outputs import CUTS

INDEX_JSON = f"{FOLDER}/{META}"
INDEX = "index"
"""The rows of an index, among the outputs of a run."""

OFFSETS = f"{CUTS.name}{CUTS.suffix}{OFFSETS_ENDING}"
OFFSET_BYTES = 8
"""Of a cut, in the file beside its shard."""

_HASH = "0" * 32


def statistics_size(stats: RunStats, facts: Mapping[str, Any]) -> int:
    """That of the file of statistics.

    Args:
        stats: of the sample.
        facts: what the file states beside them.

    >>> from alm_beam.core.measure_stats import MeasureStats
    >>> statistics_size(MeasureStats(), {"version": "1.0"}) > 300
    True
    """
    return len(orjson.dumps({**stats.to_dict(), **facts}, option=orjson.OPT_INDENT_2)) + 1


def index_size(windows: int, seconds: float) -> int:
    """That of what describes an index: of one shard of cuts, which are of one source, corpus and language.

    Args:
        windows: of the sample.
        seconds: of these windows.

    >>> index_size(25, 3035.5)
    660
    """
    shard = Shard(CUTS.file_name(0, 1), windows, windows, _HASH)
    meta = Meta(
        version=VERSION,
        rows=windows,
        duration=seconds,
        rows_digest=_HASH,
        fingerprint=_HASH,
        labels=(Label("", 0, windows, seconds),) if windows else (),
        label_sets=(LabelSet("", "", windows, seconds),) if windows else (),
        shards=(shard,),
        repeated_windows=0,
    )
    return len(encoded_meta(meta))
