"""Where a page may be written without the loss of anything but an earlier page."""

from collections.abc import Sequence

from alm_beam.core.text import visible
from alm_beam.report.html import PAGE_BYTES, is_page
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.found_runs import jobs_in
from alm_beam.storage.outputs import REPORT
from alm_beam.storage.paths import canonical, errors_that_name, info_of, located
from alm_beam.storage.reserved_names import is_reserved


def why_no_place(url: str, folders: Sequence[str], options: StorageOptions) -> str | None:
    """Why the page of the runs in some folders may not be written there; None where it may.

    It may take the place of an earlier page, and no run's file but the report of one of the folders.

    Args:
        url: of the file, a path or any fsspec URL.
        folders: paths or URLs.
        options: fsspec's, by protocol.

    Raises:
        OSError: the filesystem does not tell what is there.
    """
    place = located(url, options)
    with errors_that_name(url):
        info = info_of(place.fs, place.path)
    if info is not None and info["type"] == "directory":
        return "is a folder; name a file, as in compared.html"
    parent, _, name = place.path.rpartition("/")
    if name == REPORT:
        parent_url = place.url(parent)
        is_own = canonical(parent_url, options) in {canonical(each, options) for each in folders}
        is_of_others = not is_own and jobs_in(parent_url, options)
        return "is the report of another run; name another file" if is_of_others else None
    if is_reserved(name):
        return f"{visible(name)} is a name that files of runs have; name another file, as in compared.html"
    if info is None:
        return None
    with errors_that_name(url):
        is_earlier = is_page(place.fs.cat_file(place.path, end=PAGE_BYTES))
    return None if is_earlier else "is there, and is no page of a report; name another file"
