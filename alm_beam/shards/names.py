"""What the files of a window are called in a shard."""

import re

from xxhash import xxh3_64_hexdigest

MAX_NAME_CHARS = 80
"""Leaves 20 of the 100 characters that a name in a tar may have to endings."""

_HASH_DIGITS = 16
_HEAD_CHARS = MAX_NAME_CHARS - _HASH_DIGITS - 1
_PLAIN = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME_CHARS}}}")
_HASHED = re.compile(rf".*-[0-9a-f]{{{_HASH_DIGITS}}}", re.IGNORECASE)
_OTHERS = re.compile(r"[^A-Za-z0-9_-]+")


def member_name(cut_id: str, copy: int = 0) -> str:
    """What the files of a window are called, without an ending: ASCII letters, digits, `-` and `_`, 80 at most.

    It is the id of the cut where that is such a name. Otherwise it is the beginning of the id, with `_` for everything
    else, then `-` and 16 hexadecimal digits: a hash of the id and the number of the copy. An id that ends like that
    itself is hashed as well, so no id is the name of another window, not even an id that was chosen to be.

    Different windows have different names, but for two hashes of 64 bits that are equal: with ten million hashed names
    the odds of that are below one in 300,000. (`TarWriter` refuses the second of two equal names of a shard.) Names of
    ids that differ only in upper and lower case differ only in that, too. Readers of shards tell these apart; a folder
    that a shard is unpacked into may not, on macOS and Windows.

    Args:
        cut_id: the id of the window's cut, any text.
        copy: which of the windows of this id it is, from 0.

    >>> member_name("meeting-6246c321-0-120000-1a2b3c4d")
    'meeting-6246c321-0-120000-1a2b3c4d'
    >>> member_name("../calls/café.wav"), member_name("_calls_caf_wav")
    ('_calls_caf_wav-3d3e5e0f77136eff', '_calls_caf_wav')
    >>> member_name("meeting", copy=1)
    'meeting-ca3cce08319dd224'
    """
    if copy == 0 and _PLAIN.fullmatch(cut_id) and not _HASHED.fullmatch(cut_id):
        return cut_id
    unique = xxh3_64_hexdigest(f"{copy}:{cut_id}".encode("utf-8", "surrogatepass"))
    return f"{_OTHERS.sub('_', cut_id[:_HEAD_CHARS])}-{unique}"
