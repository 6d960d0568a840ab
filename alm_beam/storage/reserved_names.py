"""Which names in a folder of runs are those of what jobs write there."""

import re

from alm_beam.storage.outputs import JOBS, SUCCESS
from alm_beam.storage.run_folder import FAILED_RUN
from alm_beam.storage.search import BEAM_TEMPORARY

_FOLDERS = {
    FAILED_RUN.lower(),
    *(folder.lower() for job in JOBS for folder in (*job.folders, *(tree.folder for tree in job.trees))),
}


def is_reserved(name: str) -> bool:
    """Whether a file or folder of this name is, or would be taken for, one that a job writes into its folder.

    Small letters and capitals count as the same, as some filesystems take them.

    >>> [name for name in ("Report.html", "rejects-00000-of-00001.jsonl", "index", "all.jsonl") if is_reserved(name)]
    ['Report.html', 'rejects-00000-of-00001.jsonl', 'index']
    """
    small = name.lower()
    patterns = (re.compile(job.pattern.pattern, re.IGNORECASE) for job in JOBS)
    return (
        small == SUCCESS.lower()
        or small in _FOLDERS
        or small.startswith(BEAM_TEMPORARY)
        or any(pattern.fullmatch(name) for pattern in patterns)
    )
