"""Which jobs have a run in a folder."""

from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.outputs import JOBS
from alm_beam.storage.paths import errors_that_name, listed_in, located


def jobs_in(url: str, options: StorageOptions) -> list[str]:
    """The commands of the jobs whose statistics are in a folder; none where it is missing.

    Args:
        url: a path or any fsspec URL.
        options: fsspec's, by protocol.

    Raises:
        OSError: it cannot be listed.
    """
    place = located(url, options)
    with errors_that_name(url):
        try:
            found = {path.rpartition("/")[2] for path, _ in listed_in(place.fs, place.path)}
        except (FileNotFoundError, NotADirectoryError):
            return []
    return [each.job for each in JOBS if each.statistics in found]
