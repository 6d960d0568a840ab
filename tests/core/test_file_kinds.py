"""What a file is that is no manifest; and no manifest, good or bad, is taken for anything else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alm_beam.core.file_kinds import KIND_BYTES, described_bytes, file_fault, is_object
from tests import manifests
from tests.storage.test_compression import COMPRESS

ENTRIES = manifests.ENTRIES
LINES = manifests.lines().splitlines()
PRETTY = json.dumps(ENTRIES[0], indent=2).encode()
ARRAY = b"[\n" + b",\n".join(LINES) + b"\n]\n"
RTTM = b"SPEAKER ES2004a 1 26.800 0.940 <NA> <NA> A <NA> <NA>\nSPEAKER ES2004a 1 28.0 1.5 <NA> <NA> B <NA> <NA>\n"
TEXT = b"Dear colleagues,\nthe manifests are on the server now.\nYours\n"

NO_MANIFESTS = {
    "JSON over several lines": PRETTY,
    "JSON over several lines ": b"\n\n" + PRETTY.replace(b"\n", b"\r\n"),
    "JSON over several lines  ": b"\n".join(json.dumps(entry, indent=1).encode() for entry in ENTRIES),
    "JSON over several lines   ": b"\xef\xbb\xbf" + json.dumps({"recordings": ENTRIES}, indent="\t").encode(),
    "JSON over several lines    ": b'{"segments": [\n{"start": 1, "end": 2},\n{"start": 3, "end": NaN}\n]}\n',
    "JSON over several lines     ": PRETTY.replace(b"]", b",]", 1),
    "JSON over several lines      ": PRETTY[: len(PRETTY) // 2],
    "one JSON array": ARRAY,
    "one JSON array ": json.dumps(ENTRIES, indent=4).encode(),
    "one JSON array  ": b"[" + LINES[0] + b",\n " + LINES[1] + b"]",
    "one JSON array   ": json.dumps(ENTRIES).encode(),
    "one JSON array    ": b"[" + b",\n".join(LINES[:3]) + b",]\n",
    "UTF-16": manifests.lines().decode().encode("utf-16"),
    "UTF-16 ": manifests.lines().decode().encode("utf-16-le"),
    "UTF-16  ": manifests.lines().decode().encode("utf-16-be"),
    "UTF-16   ": PRETTY.decode().encode("utf-16"),
    "UTF-16    ": RTTM.decode().encode("utf-16"),
    "UTF-32": manifests.lines().decode().encode("utf-32"),
    "UTF-32 ": manifests.lines().decode().encode("utf-32-be"),
    "RTTM": RTTM,
    "RTTM ": b";; a comment\n" + RTTM,
    "CTM": b"ES2004a 1 11.34 0.2 okay 0.9\nES2004a 1 11.6 0.1 so\n",
    "XML": b'<?xml version="1.0"?>\n<NITE/>\n',
    "XML ": b"<Error>\n<Code>NoSuchKey</Code>\n</Error>\n",
    "an HTML page": b"<!DOCTYPE html>\n<html>\n<body>Sign in</body></html>\n",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
    "plain text": TEXT,
    "plain text ": b"file,start,end\na.wav,0,1\nb.wav,1,2\n",
    "SRT": b"1\n00:00:01,000 --> 00:00:04,000\nhello\n",
    "plain text  ": b"audio: a.wav\nsegments:\n- start: 0\n",
    "binary": bytes(range(256)) * 40,
    "gzip": COMPRESS[".gz"](manifests.lines()),
    "zstd": COMPRESS[".zst"](manifests.lines()),
    "bzip2": COMPRESS[".bz2"](manifests.lines()),
    "xz": COMPRESS[".xz"](manifests.lines()),
    "Parquet": b"PAR1\x15\x04\x15\x10" + bytes(100),
    "a zip archive": b"PK\x03\x04" + bytes(100),
    "a tar archive": b"m.jsonl".ljust(257, b"\0") + b"ustar\x0000" + bytes(300),
}


@pytest.mark.parametrize("kind", NO_MANIFESTS)
def test_a_file_of_another_kind_is_told(kind):
    fault = file_fault(NO_MANIFESTS[kind], is_whole=True)
    assert fault.reason.value == "not_a_manifest"
    assert fault.detail.startswith((f"the file is {kind.strip()}", f"the file looks like {kind.strip()}"))
    assert not is_object(NO_MANIFESTS[kind].lstrip().split(b"\n")[0])


@pytest.mark.parametrize("kind", NO_MANIFESTS)
def test_a_large_file_of_another_kind_is_told_by_its_beginning(kind):
    content = NO_MANIFESTS[kind]
    if kind.startswith("one JSON array"):
        content = content.rstrip(b"\n]") + b",\n" + b",\n".join(LINES * 30) + b"\n]"
    else:
        content += content * (1 + (1 << 20) // len(content))
    fault = file_fault(content[:KIND_BYTES], is_whole=len(content) < KIND_BYTES)
    assert kind.strip() in fault.detail


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"oops",
        b"{",
        b"[",
        b"[1]",
        b"null",
        b"42",
        b'"text"',
        b"[" + LINES[0] + b"]",
        LINES[0][: len(LINES[0]) // 2],
        LINES[0][:-1] + b",",
        LINES[0][: LINES[0].index(b"[") + 1],
        LINES[0][: LINES[0].index(b"},") + 2],
        LINES[0] + b",",
        b'{"a": [1,\n2]}',
        b'{"a":\n[1,\n2]}',
        b"\xff\xfe{\0",
        b'{\0"\0a\0"\0',
        b"# a comment",
        b"a,b,c\n1,2,3\n4,5,6",
        RTTM,
        TEXT,
        b"<html>",
        b"\xef\xbb\xbf",
        b"\0\0\0\0",
    ],
)
@pytest.mark.parametrize("others", [1, 3])
def test_a_bad_first_line_condemns_no_other(first, others):
    """However much of the file is looked at."""
    content = first + b"\n" + b"\n".join(LINES[:others]) + b"\n"
    assert file_fault(content, is_whole=True) is None
    for size in range(0, len(content), 97):
        head = content[:size]
        if size > len(first) + len(LINES[0]) + 1:
            assert file_fault(head, is_whole=False) is None, head[-40:]


def test_an_entry_with_diar_segments_is_one():
    line = LINES[0].replace(b'"segments"', b'"diar_segments"')
    assert file_fault(b"{\n" + line + b"\n" + line + b"\n", is_whole=True) is None


@given(st.lists(st.sampled_from([*LINES, b"", b"  ", b"[]", b"{}"]), min_size=1))
def test_entries_are_no_other_kind(lines):
    assert file_fault(b"\n".join(lines), is_whole=True) is None


@pytest.mark.parametrize("text", [b"", b"\n\n", b"\xef\xbb\xbf", b"oops", b"oops\n", b"{", b"not json\nat all"])
def test_what_tells_little_is_left_to_the_lines(text):
    assert file_fault(text, is_whole=True) is None


def test_what_bytes_are():
    kinds = [described_bytes(NO_MANIFESTS[kind]) for kind in ("gzip", "UTF-16", "RTTM")]
    assert kinds == ["gzip", "UTF-16", "plain text"]
    assert described_bytes(b"\xef\xbb\xbf{") == "plain JSON"
    assert described_bytes(b"") is None
