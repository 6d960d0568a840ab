"""What a file is that is no manifest, from its first bytes."""

import re
from collections.abc import Sequence
from itertools import pairwise

import orjson

from alm_beam.core.faults import BadEntry, RejectReason

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"\xfd7zXZ\0", "xz"),
    (4, b"1AY&SY", "bzip2"),
    (0, b"PK\x03\x04", "a zip archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"PAR1\x15", "Parquet"),
    (8, b"WAVEfmt ", "WAV audio"),
    (0, b"fLaC\0", "FLAC audio"),
)
_COMPRESSED = {"gzip": ".gz", "zstd": ".zst", "xz": ".xz", "bzip2": ".bz2"}

_UTF_8_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = {"utf-32": (b"\xff\xfe\0\0", b"\0\0\xfe\xff"), "utf-16": (b"\xff\xfe", b"\xfe\xff")}
_WIDE_BEGINNINGS = {
    "utf-32-le": re.compile(rb"[\[{\s]\0\0\0"),
    "utf-32-be": re.compile(rb"\0\0\0[\[{\s]"),
    "utf-16-le": re.compile(rb"[\[{\s]\0[^\0]\0"),
    "utf-16-be": re.compile(rb"\0[\[{\s]\0[^\0]"),
}

_NUMBER = r"-?\d+(\.\d+)?"
_TEXTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a Git LFS pointer (git lfs pull gets the file)", re.compile(r"version https://git-lfs\.github\.com/")),
    (
        "an HTML page (an error or a login that was saved in the file's place?)",
        re.compile(r"<(!doctype html|html|head|body)\b", re.IGNORECASE),
    ),
    ("XML", re.compile(r"<(\?xml|!--|!DOCTYPE|[A-Za-z_][\w:.-]*[\s/>])")),
    ("SRT", re.compile(r"\d+\n\d+:\d\d:\d\d[,.]\d+ -->")),
    ("RTTM", re.compile(rf"(;;.*\n)*(SPEAKER|LEXEME|SPKR-INFO)[ \t]+\S+[ \t]+\S+[ \t]+({_NUMBER}|<NA>)[ \t]")),
    ("CTM", re.compile(rf"(;;.*\n)*\S+[ \t]+\S+[ \t]+{_NUMBER}[ \t]+{_NUMBER}[ \t]+\S+([ \t]+\S+)?[ \t]*(\n|$)")),
)
"""Other text is plain text; that these are told apart is because the name of each leads to what went wrong."""

_SEGMENTS = (b'"segments"', b'"diar_segments"')

_EXPECTED = "a manifest has one JSON object per line"

KIND_BYTES = 1 << 20
"""So much of a file is looked at to tell what it is."""


def described_bytes(head: bytes) -> str | None:
    """What a file is, from its first bytes: a kind of binary file, JSON, or text; None where they tell nothing.

    >>> described_bytes(b"PK\\x03\\x04"), described_bytes(b'{"segments": []}'), described_bytes(b"\\xc3\\x28\\x00")
    ('a zip archive', 'plain JSON', None)
    """
    found = _binary_kind(head) or _wide_encoding(head)
    if found or not head:
        return found
    begins = head.removeprefix(_UTF_8_BOM).lstrip()[:1]
    if b"\0" in head or any(byte > 0xF7 for byte in head[:64]):
        return None
    return "plain JSON" if begins in (b"{", b"[") else "plain text"


def compressed_ending(head: bytes) -> str:
    """The ending of a name that says how content with these first bytes is compressed; empty where it is not.

    >>> compressed_ending(b"\\x1f\\x8b\\x08\\x00")
    '.gz'
    """
    return _COMPRESSED.get(_binary_kind(head) or "", "")


def file_fault(head: bytes, *, is_whole: bool) -> BadEntry | None:
    """Why no line of a file can be an entry, as the file is no manifest at all; None where that cannot be told.

    It is for files whose first lines are not two objects (see `is_object`), and errs on the side of None: lines are
    then rejected one by one.

    Args:
        head: the file's first bytes, uncompressed, KIND_BYTES if it has so many.
        is_whole: whether that is the whole file.

    >>> print(file_fault(b'{\\n  "segments": [\\n  ]\\n}\\n', is_whole=True).detail)
    the file is JSON over several lines; a manifest has one JSON object per line: jq -c . OLD > NEW
    >>> file_fault(b'oops\\n{"segments": []}\\n', is_whole=True)
    """
    binary = _binary_kind(head)
    if binary:
        suffix = _COMPRESSED.get(binary)
        advice = f"let its name end in {suffix}" if suffix else _EXPECTED
        return _fault(f"the file is {binary}; {advice}")
    encoding = _wide_encoding(head)
    if encoding:
        return _fault(f"the file is {encoding}; convert it: iconv -f {encoding} -t UTF-8 OLD > NEW")
    pieces = [piece.strip() for piece in head.removeprefix(_UTF_8_BOM).split(b"\n")]
    lines = [piece for piece in (pieces if is_whole else pieces[:-1]) if piece]
    if not lines:
        return None
    if lines[0][:1] in (b"{", b"["):
        return _json_fault(lines, is_whole=is_whole)
    if any(piece.startswith((b"{", b"[")) for piece in pieces):
        return None
    return _text_fault(lines, head)


def text_fault(head: bytes) -> BadEntry | None:
    """Why a file cannot hold lines of text in UTF-8, from its first bytes; None where it may.

    >>> print(text_fault(b"PK\\x03\\x04").detail)
    the file is a zip archive; expected text
    """
    binary = _binary_kind(head)
    if binary:
        suffix = _COMPRESSED.get(binary)
        return _fault(f"the file is {binary}; {f'let its name end in {suffix}' if suffix else 'expected text'}")
    encoding = next((name.upper() for name, boms in _WIDE_BOMS.items() if head.startswith(boms)), None)
    return _fault(f"the file is {encoding}; convert it: iconv -f {encoding} -t UTF-8 OLD > NEW") if encoding else None


def is_object(line: bytes) -> bool:
    """Whether a line begins and ends as an object does. Two such lines in a row are in no JSON document.

    >>> is_object(b'{"a": 1}'), is_object(b'{"a": 1},')
    (True, False)
    """
    if line.startswith(b"{") and line.endswith(b"}"):
        return True
    line = line.removeprefix(_UTF_8_BOM).strip()
    return line.startswith(b"{") and line.endswith(b"}")


def _fault(detail: str) -> BadEntry:
    return BadEntry(RejectReason.NOT_A_MANIFEST, detail)


def _binary_kind(head: bytes) -> str | None:
    return next((name for at, magic, name in _MAGIC if head.startswith(magic, at)), None)


def _wide_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32, where the file is that."""
    if b'\n{"' in head:  # in neither do two ASCII characters follow each other
        return None
    for name, boms in _WIDE_BOMS.items():
        if head.startswith(boms):
            return name.upper()
    for name, begins in _WIDE_BEGINNINGS.items():
        if begins.match(head):
            found = head.decode(name, "replace")  # it may end within a character
            if '"' in found and found.count("\ufffd") <= 1:
                return name[:6].upper()
    return None


def _json_fault(lines: Sequence[bytes], *, is_whole: bool) -> BadEntry | None:
    """The fault of a file whose first line begins as JSON does: part of a document, or an array that is all."""
    first = _value_of(lines[0])
    is_one_array = is_whole and len(lines) == 1 and type(first) is list and dict in map(type, first)
    if not is_one_array and (len(lines) < (2 if is_whole else 3) or first is not None):
        return None
    is_array = lines[0].startswith(b"[")
    for before, line in pairwise(lines):
        goes_on = before.endswith(b",") and (is_array or before is not lines[0])
        if is_object(line) and any(key in line for key in _SEGMENTS) and not goes_on:
            return None  # an entry, behind lines that are none
    what, query = ("one JSON array", "'.[]'") if is_array else ("JSON over several lines", ".")
    return _fault(f"the file is {what}; {_EXPECTED}: jq -c {query} OLD > NEW")


def _value_of(line: bytes) -> object | None:
    """What a line is as JSON; None where it is none."""
    try:
        value: object = orjson.loads(line)
    except ValueError:
        return None
    return "null" if value is None else value


def _text_fault(lines: Sequence[bytes], head: bytes) -> BadEntry | None:
    """The fault of a file none of whose first lines begins as JSON does."""
    text = b"\n".join(lines[:20]).decode("utf-8", "replace")
    found = next((name for name, begins in _TEXTS if begins.match(text)), None)
    if found:
        return _fault(f"the file looks like {found}; {_EXPECTED}")
    if len(lines) < 3 or _value_of(lines[0]) is not None:
        return None
    if b"\0" in head:
        return _fault(f"the file is binary (it begins with {head[:8]!r}); {_EXPECTED}")
    return _fault(f"the file looks like plain text; {_EXPECTED}")
