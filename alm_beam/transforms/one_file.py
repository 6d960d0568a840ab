"""Shards as one file, for who asks for one: written side by side, and joined when all are there."""

import shutil
from collections.abc import Iterable

from alm_beam.storage.outputs import Sharded
from alm_beam.storage.paths import BLOCK_BYTES, errors_that_name, info_of, located, written_whole
from alm_beam.storage.staged_run import StagedRun

_JOINED, _JOINING = "joined", "joining"
"""Folders in a run's temporary folder: of what is whole, and of what is not yet."""


def one_file_move(run: StagedRun, output: Sharded, shards: Iterable[str], name: str) -> dict[str, str]:
    """The move by which staged shards are published as one file, as `StagedRun.publish` takes it.

    Several are joined in the run's temporary folder, one after the other, in blocks. The shards stay there until the
    run ends, so it may be tried again.

    Args:
        run: the run.
        output: whose shards.
        shards: the names that they have in the temporary folder, one at least.
        name: that of the file.

    Raises:
        OSError: a shard cannot be read, or the file cannot be written.
    """
    first, *others = shards
    if not others:
        return {f"shards-{output.name}/{first}": name}
    fs, folder, _ = located(run.shards_url(output), run.options)
    _, root, _ = located(run.url, run.options)
    sources, joined = [f"{folder}/{each}" for each in (first, *others)], f"{root}/{_JOINED}/{name}"
    with errors_that_name(f"{run.folder.url}/{name}"):
        done = info_of(fs, joined)
        if done is None or done["size"] != sum(fs.info(each)["size"] for each in sources):
            with written_whole(fs, joined, f"{root}/{_JOINING}") as file:
                for each in sources:
                    with fs.open(each, "rb", block_size=BLOCK_BYTES) as shard:
                        shutil.copyfileobj(shard, file, BLOCK_BYTES)
    return {f"{_JOINED}/{name}": name}
