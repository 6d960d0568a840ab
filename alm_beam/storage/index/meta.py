"""index.json: what an index is made of, its digest, and how it is read.

It is a JSON object whose last field, on the last line but one, is `digest`: the hash of all bytes before that line's
comma. So any byte that was changed is found. Version 2 had no digest, nor `repeated_windows`, `skipped` and `requires`.

A window has several labels: its source, by which the rows are ordered; and its corpus and its language. Of these two
the sets that occur are a list, `label_sets`, and each row holds the number of its set. The list came later than
version 3: an index without it is read, but its windows cannot be told by corpus and language.

What a later alm_beam may add without another version, and what this one does with it:

- Fields that are not known are ignored, at each level: also further labels of a set, with which the same corpus and
  language would come several times in the list only where `requires` says so.
- Where ignoring would be wrong, the later alm_beam puts a name into `requires`. An index that requires a name that is
  not known is refused.
"""

import os
import re
from typing import Annotated, Final, TypeVar

import msgspec
import orjson

from alm_beam.core.text import visible
from alm_beam.storage.index.format import MAX_SECONDS, SHARD_NAME, Digest, IndexFault

VERSION: Final = 3
OLDEST_VERSION: Final = 2
AGAIN: Final = "make the index again: alm-beam index DIR --overwrite"

_TAIL = re.compile(rb',\n  "digest": "([0-9a-f]{32})"\n\}\n\Z')
_MOST = 1 << 62
"""No number in index.json is larger; what it counts could not be stored."""

_MAX_SHOWN = 300
"""Characters of a decoder's message: it may quote names that are in the file."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]
_Hash = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]


class Label(msgspec.Struct, frozen=True):
    """The windows of one source, a range of the rows.

    Attributes:
        label: `custom.source` of the cuts; empty where they have none.
        first: number of its first row.
        rows: how many.
        duration: seconds, of all.
    """

    label: str
    first: _Count
    rows: _Count
    duration: _Seconds


class LabelSet(msgspec.Struct, frozen=True):
    """The windows of one corpus and language. Their rows do not stand together.

    Attributes:
        corpus: `custom.corpus` of the cuts, or else `custom.source`; empty where they have neither.
        language: of the first supervision, or else `custom.language` or `custom.lang`; empty where
            nothing states it.
        rows: how many.
        duration: seconds, of all.
    """

    corpus: str
    language: str
    rows: _Count
    duration: _Seconds


class Shard(msgspec.Struct, frozen=True):
    """A file of cuts.

    Attributes:
        name: of the file, in the folder.
        size: bytes.
        rows: its lines that are indexed.
        digest: of the keys of these lines, in their order.
    """

    name: str
    size: _Count
    rows: _Count
    digest: _Hash


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What index.json holds.

    Attributes:
        version: VERSION, or an earlier one.
        rows: of rows.bin.
        duration: seconds, of all windows.
        rows_digest: of rows.bin.
        fingerprint: of the windows in their order; see `Fingerprint`.
        labels: sorted.
        label_sets: sorted by corpus and language; None where an earlier alm_beam made the index.
        shards: in the order in which rows count them.
        repeated_windows: rows that are the same window as the row before; None where it was not counted (version 2).
        skipped: lines of the shards that were left out, as they are no cut that can be indexed.
        requires: names of what a reader has to know.
    """

    version: int
    rows: _Count
    duration: _Seconds
    rows_digest: _Hash
    fingerprint: _Hash
    labels: tuple[Label, ...]
    label_sets: tuple[LabelSet, ...] | None = None
    shards: tuple[Shard, ...]
    repeated_windows: _Count | None = None
    skipped: _Count = 0
    requires: tuple[str, ...] = ()


class _Versioned(msgspec.Struct):
    version: int


_Decoded = TypeVar("_Decoded")


def encoded_meta(meta: Meta) -> bytes:
    """The content of index.json."""
    body = orjson.dumps(msgspec.to_builtins(meta), option=orjson.OPT_INDENT_2).removesuffix(b"\n}")
    return body + b',\n  "digest": "%b"\n}\n' % _digest(body).encode()


def decoded_meta(content: bytes, where: str) -> Meta:
    """What index.json holds, of this version or an earlier one.

    Args:
        content: its bytes.
        where: what messages call it.

    Raises:
        IndexFault: a byte was changed, a number or a name is none that an index has, or they contradict each other.
    """
    tail = _TAIL.search(content)
    if tail and _digest(content[: tail.start()]) != tail[1].decode():
        raise IndexFault(f"{where}: its bytes are not those that were written (its digest is another); {AGAIN}")
    version = _decoded(content, _Versioned, where).version
    if not OLDEST_VERSION <= version <= VERSION:
        what = f"is of version {version}, this alm_beam reads {OLDEST_VERSION} to {VERSION}"
        raise IndexFault(f"{where}: {what}; {AGAIN if version < VERSION else f'update alm_beam, or {AGAIN}'}")
    meta = _decoded(content, Meta, where)
    is_version_2 = version == OLDEST_VERSION and meta.repeated_windows is None
    if not tail and not is_version_2:
        raise IndexFault(f"{where}: does not end with its digest: it was changed, or it is cut off; {AGAIN}")
    _check(meta, where)
    return meta


def why_no_shard_name(name: str) -> str | None:
    """Why a text cannot be the name of a shard; None where it can. It becomes a part of paths and URLs."""
    if not SHARD_NAME.fullmatch(name) or {"/", "\0", os.sep} & set(name):
        return "is no name of a file cuts*.jsonl"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "is no text that UTF-8 can state"
    return None


def _decoded(content: bytes, kind: type[_Decoded], where: str) -> _Decoded:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        why = visible(str(error))[:_MAX_SHOWN]
        raise IndexFault(f"{where}: is no index.json, or half of one ({why}; {len(content)} bytes); {AGAIN}") from None


def _check(meta: Meta, where: str) -> None:
    if meta.requires:
        needed = visible(", ".join(meta.requires))[:_MAX_SHOWN]
        raise IndexFault(f"{where}: needs what this alm_beam does not know ({needed}); update alm_beam")
    for shard in meta.shards:
        why = why_no_shard_name(shard.name)
        if why:
            raise IndexFault(f"{where}: the shard {shard.name[:_MAX_SHOWN]!r} {why}; {AGAIN}")
    first = 0
    for label in meta.labels:
        if label.first != first or label.rows < 1 or label.duration > label.rows * MAX_SECONDS:
            name = label.label[:_MAX_SHOWN]
            raise IndexFault(f"{where}: the rows of label {name!r} do not follow those before; {AGAIN}")
        first += label.rows
    names = [label.label for label in meta.labels]
    shards = [shard.name for shard in meta.shards]
    seconds = sum(label.duration for label in meta.labels)
    if (
        not first == meta.rows == sum(shard.rows for shard in meta.shards)
        or names != sorted(set(names))
        or len(shards) != len(set(shards))
        or abs(seconds - meta.duration) > 1e-6 * max(1.0, seconds)
        or (meta.repeated_windows or 0) > max(meta.rows - 1, 0)
    ):
        raise IndexFault(f"{where}: labels, shards and rows contradict each other; {AGAIN}")
    if meta.label_sets is not None:
        _check_label_sets(meta.label_sets, meta, where)


def _check_label_sets(sets: tuple[LabelSet, ...], meta: Meta, where: str) -> None:
    names = [(each.corpus, each.language) for each in sets]
    seconds = sum(each.duration for each in sets)
    if (
        names != sorted(set(names))
        or sum(each.rows for each in sets) != meta.rows
        or any(each.rows < 1 or each.duration > each.rows * MAX_SECONDS for each in sets)
        or abs(seconds - meta.duration) > 1e-6 * max(1.0, seconds)
    ):
        raise IndexFault(f"{where}: label sets and rows contradict each other; {AGAIN}")


def _digest(body: bytes) -> str:
    digest = Digest()
    digest.add(body)
    return digest.hex()
