"""What files are called: their endings, and names that tell the recordings in them apart."""

import posixpath
from collections import defaultdict
from collections.abc import Sequence

from alm_beam.storage.compression import is_compressed


def ending_of(path: str) -> str:
    """The ending of a file's name, what it is compressed by left out; empty without one.

    >>> ending_of("/data/meeting.rttm.gz"), ending_of("meeting")
    ('.rttm', '')
    """
    return posixpath.splitext(_uncompressed(path))[1]


def stems(paths: Sequence[str]) -> list[str]:
    """The names of files without folder and endings; those of the same name with as many folders as tell them apart.

    >>> stems(["/in/a.json", "/in/mon/b.json", "/in/tue/b.json.gz"])
    ['a', 'mon/b', 'tue/b']
    """
    whole = [posixpath.splitext(_uncompressed(path.replace("\\", "/")))[0] for path in paths]
    found = [posixpath.basename(path) for path in whole]
    same: defaultdict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(found):
        same[name].append(index)
    for indices in same.values():
        depth = 1
        while len({found[index] for index in indices}) < len(indices):
            depth += 1
            longer = ["/".join(whole[index].split("/")[-depth:]) for index in indices]
            if longer == [found[index] for index in indices]:
                break  # as of a.json and a.json.gz in one folder
            for index, name in zip(indices, longer):
                found[index] = name
    return found


def _uncompressed(path: str) -> str:
    return posixpath.splitext(path)[0] if is_compressed(path) else path
