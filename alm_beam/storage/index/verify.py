"""The check of an index that reads everything."""

import tempfile

from alm_beam.storage.index.build import merged_meta, scan_shard
from alm_beam.storage.index.format import FOLDER, META, ROWS, Digest, IndexFault
from alm_beam.storage.index.open import Index
from alm_beam.storage.paths import located
from alm_beam.storage.secrets import shown

_ROWS_AT_A_TIME = 1 << 16


def verify_index(index: Index) -> None:
    """Makes the index of the shards anew, in the temporary folder of this machine, and compares.

    It finds what `open_index` may overlook: lines that were rewritten at the same length, within a shard that kept its
    time; and rows of a rows.bin that is too large to be read whenever it is opened.

    Raises:
        IndexFault: something differs.
        OSError: something could not be read, or the temporary folder is full: it takes as much as rows.bin.
    """
    place = located(index.url, index.options)
    again = "make the index again: alm-beam index DIR --overwrite"
    rows_digest = Digest()
    for at in range(0, len(index), _ROWS_AT_A_TIME):
        rows_digest.add(index.rows[at : at + _ROWS_AT_A_TIME].data)
    if rows_digest.hex() != index.meta.rows_digest:
        where = shown(place.url(f"{place.path}/{FOLDER}/{ROWS}"))
        raise IndexFault(f"{where}: its bytes are not those that were written; {again}")
    with tempfile.TemporaryDirectory(prefix="alm_beam_") as parts:
        for shard in index.shards:
            if scan_shard(index.url, shard.name, parts, index.options) != shard:
                where = shown(place.url(f"{place.path}/{shard.name}"))
                raise IndexFault(f"{where}: its lines are not those that were indexed; restore it, or {again}")
        names = {shard.name: shard.name for shard in index.shards}
        if merged_meta(located(parts), names, len) != index.meta:
            where = shown(place.url(f"{place.path}/{FOLDER}/{META}"))
            raise IndexFault(f"{where}: is not what the shards give; {again}")
