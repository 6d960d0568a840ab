"""Lines of any length, in time and memory that the input bounds; and files that are no manifests, told once."""

import gzip
import io
import json
import resource
import subprocess
import sys
import zlib

import pytest

from alm_beam.cli.windows import main as run
from alm_beam.core.manifest import parse_recording
from alm_beam.storage.discovery import Manifest, find_manifests
from alm_beam.storage.line_reader import HEAD_BYTES, READ_BYTES, beginning, lines_from
from alm_beam.storage.lines import ManifestReadError, lines_in, ranges_of, read_manifests
from tests import manifests
from tests.core.test_file_kinds import ARRAY, NO_MANIFESTS
from tests.storage.test_compression import COMPRESS

MIB = 1 << 20


class Counting(io.BytesIO):
    """A file that counts what is read of it, and how far."""

    taken = 0
    furthest = 0

    def read(self, size=-1):
        data = super().read(size)
        self.taken += len(data)
        self.furthest = max(self.furthest, self.tell())
        return data


def lines_within(content: bytes, size: int, limit: int = 1 << 30) -> tuple[list, int]:
    """The lines of a file in ranges of a size, and how many bytes are read for them."""
    found, taken = [], 0
    for start in range(0, len(content), size):
        stop, file = min(start + size, len(content)), Counting(content)
        begins = beginning(file, start, stop)
        if begins.offset >= stop:
            assert file.furthest <= stop, "a range without a line reads no further than its stop"
        found += lines_from(begins, file, "m", stop, limit)
        taken += file.taken
    return found, taken


def long_line(size: int) -> bytes:
    return b'{"text": "' + b"x" * (size - 12) + b'"}'


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
def test_ranges_within_a_long_line_cost_next_to_nothing(ending):
    content = b"{}\n" + long_line(20 * MIB) + ending
    found, taken = lines_within(content, MIB // 2)
    assert [(line.offset, len(line.text)) for line in found] == [(0, 2), (3, 20 * MIB)]
    assert taken < 2.2 * len(content)


@pytest.mark.parametrize("size", [70 * MIB, 64 * MIB, 64 * MIB + 1])
def test_a_line_that_is_held_compressed_is_whole(size):
    line = long_line(size)
    for ending, more in ((b"", []), (b"\r\n{}", [b"{}"]), (b"\n", [])):
        file = io.BytesIO(line + ending)
        found = [each.text for each in lines_from(beginning(file, 0, None), file, "m", None, 1 << 30)]
        assert found == [line, *more]


@pytest.mark.parametrize("size", [7, 1000, 1 << 16, 1 << 40])
@pytest.mark.parametrize("longer", [1001, 5000, READ_BYTES - 4, READ_BYTES + 5, 3 * READ_BYTES])
def test_a_line_that_is_too_long_is_its_beginning_and_those_after_it_are_read(longer, size):
    if size == 7 and longer > 5000:
        size = 4099
    limit = 1000
    content = b"{}\n" + long_line(limit) + b"\n" + long_line(longer) + b"\r\n{}\n" + long_line(longer)
    found, _ = lines_within(content, size, limit)
    assert [line.offset for line in found] == [0, 3, limit + 4, limit + longer + 6, limit + longer + 9]
    assert [line.fault and line.fault.reason.value for line in found] == [
        *(None, None, "line_too_long", None, "line_too_long")
    ]
    assert found[2].text == long_line(longer)[:HEAD_BYTES] + b"\r" * (longer + 1 <= HEAD_BYTES)
    stated = int(found[4].fault.detail.split()[5])
    assert limit < stated <= longer
    assert f"more than --max_line_bytes={limit}" in found[4].fault.detail


@pytest.mark.parametrize("blank", [b"\n", b" \n", b"\r\n", b"\t \r\n", b" " * 9_999 + b"\n"])
def test_very_many_blank_lines_cost_little_and_offsets_stay_true(blank):
    run_of_blanks = blank * (3 * MIB // len(blank))
    content = run_of_blanks + b"{}\n" + run_of_blanks + b'{"a": 1}'
    for size in (MIB + 7, 1 << 40):
        found, _ = lines_within(content, size)
        texts = [(line.offset, line.text) for line in found if line.text.strip()]
        assert texts == [(len(run_of_blanks), b"{}"), (2 * len(run_of_blanks) + 3, b'{"a": 1}')]
    file = io.BytesIO(run_of_blanks * 20)
    assert sum(1 for _ in lines_from(beginning(file, 0, None), file, "m", None, 1 << 30)) < 100


def bomb(path, chunk: bytes, chunks: int, before: bytes = b"", after: bytes = b"") -> str:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = [packer.compress(data) for data in (before, *[chunk] * chunks, after)]
    path.write_bytes(b"".join(packed) + packer.flush())
    return str(path)


READ = """
import pathlib, sys
from alm_beam.storage.lines import read_manifests
limit = {"max_line_bytes": int(sys.argv[2])} if len(sys.argv) > 2 else {}
for line in read_manifests(sys.argv[1], **limit):
    print(line.offset, len(line.text), line.fault and line.fault.reason.value)
print(int(pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024)
"""


def read_apart(path: str, *limit: str, **how) -> tuple[list[str], int]:
    """The lines of a file, and the memory that a process of its own took to read them, MiB."""
    done = subprocess.run(
        [sys.executable, "-c", READ, path, *limit], capture_output=True, text=True, timeout=600, check=True, **how
    )
    *found, peak = done.stdout.splitlines()
    return found, int(peak)


@pytest.mark.parametrize("chunk", [b"x" * MIB, b'{"start": 1.25, "end": 2.5}, ' * (MIB // 29)])
def test_a_few_megabytes_that_expand_to_one_line_above_the_limit_take_little_memory(tmp_path, chunk):
    path = bomb(tmp_path / "m.jsonl.gz", chunk, 1100, b'{"a": "', b'"}\n{}\n')
    found, peak = read_apart(path)
    assert [line.split()[2] for line in found] == ["line_too_long", "None"]
    assert peak < 300


def test_a_few_megabytes_of_blank_lines_take_little_memory(tmp_path):
    found, peak = read_apart(bomb(tmp_path / "m.jsonl.gz", b" \n" * (MIB // 2), 600, b"", b"{}\n"))
    assert found == [f"{600 * MIB} 2 None"]
    assert peak < 300


def test_too_little_memory_is_one_clear_line(tmp_path):
    path = bomb(tmp_path / "m.jsonl.gz", b"x" * MIB, 900)

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (700 * MIB, 700 * MIB))

    with pytest.raises(subprocess.CalledProcessError) as failed:
        read_apart(path, preexec_fn=limited)
    assert failed.value.stderr.splitlines()[-1].endswith(
        f"{path}: a line of it, or its decompression, takes more memory than there is; with a --max_line_bytes below "
        "1073741824, a longer line is rejected"
    )


def test_a_run_rejects_what_is_longer_than_it_was_told(tmp_path):
    long = json.dumps({**manifests.ENTRIES[0], "note": "x" * 500_000}).encode()
    path = manifests.write(tmp_path / "m.jsonl", long + b"\n" + manifests.lines())
    flags = [f"--input={path}", f"--output={tmp_path / 'out'}", "--max_reject_fraction=1"]
    assert run([*flags, "--max_line_bytes=400000"]) == 0
    [reject] = manifests.rejects(tmp_path / "out")
    assert (reject["file"], reject["offset"], reject["reason"]) == (str(path), 0, "line_too_long")
    assert reject["line"] == long.decode()[:2000]
    assert manifests.stats(tmp_path / "out")["recordings"] == len(manifests.ENTRIES)


@pytest.mark.parametrize("kind", NO_MANIFESTS)
def test_a_file_of_another_kind_is_one_reject_however_it_is_split(tmp_path, kind):
    content = NO_MANIFESTS[kind]
    path = manifests.write(tmp_path / "m.jsonl", content)
    for size in (len(content), len(content) // 2 + 1, len(content) // 7 + 1):
        found = [line for each in ranges_of([Manifest(str(path), len(content))], size) for line in lines_in(each)]
        [line] = found
        assert (line.offset, line.fault.reason.value) == (0, "not_a_manifest")
        assert line.text == content[:HEAD_BYTES]


def test_a_range_that_begins_with_the_last_entry_of_an_array_reads_none_of_it(tmp_path):
    path = manifests.write(tmp_path / "m.jsonl", ARRAY)
    for size in range(100, len(ARRAY), 211):
        found = [line for each in ranges_of([Manifest(str(path), len(ARRAY))], size) for line in lines_in(each)]
        assert [line.fault.reason.value for line in found] == ["not_a_manifest"], size


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_of_another_kind_is_one_reject(tmp_path, suffix):
    for content in (ARRAY, gzip.compress(manifests.lines())):
        path = manifests.write(tmp_path / f"m.jsonl{suffix}", COMPRESS[suffix](content))
        [line] = read_manifests(str(path))
        assert line.fault.reason.value == "not_a_manifest"


def test_a_compressed_file_without_its_ending_is_told_and_one_with_a_wrong_ending_fails(tmp_path):
    path = manifests.write(tmp_path / "m.jsonl", gzip.compress(manifests.lines()))
    assert run([f"--input={path}", f"--output={tmp_path / 'out'}"]) == 1
    [reject] = manifests.rejects(tmp_path / "out")
    assert reject["detail"] == "the file is gzip; let its name end in .gz"
    path = manifests.write(tmp_path / "p.jsonl.gz", manifests.lines())
    with pytest.raises(
        ManifestReadError, match=rf"{path}: .*it is no gzip, as its name says: it looks like plain JSON"
    ):
        list(read_manifests(str(path)))


@pytest.mark.parametrize("first", [b"oops", b"[", b"{", b"[1, 2]", b"", b"\xef\xbb\xbf"])
def test_a_bad_first_line_is_one_reject_and_the_others_are_read_however_the_file_is_split(tmp_path, first):
    content = first + b"\n" + manifests.lines()
    path = manifests.write(tmp_path / "m.jsonl", content)
    for size in range(50, len(content), len(content) // 23):
        ranges = ranges_of([Manifest(str(path), len(content))], size)
        found = [line for each in ranges for line in lines_in(each) if line.offset > len(first)]
        assert len([parse_recording(line) for line in found]) == len(manifests.ENTRIES)


def test_a_good_file_is_opened_once(tmp_path, monkeypatch):
    """What it costs to tell what a file is, is paid for those that look odd."""
    opened = []
    monkeypatch.setattr("alm_beam.storage.lines._no_manifest", lambda *asked: opened.append(asked))
    content = b"\xef\xbb\xbf\n" + manifests.lines() * 5
    path = manifests.write(tmp_path / "m.jsonl", content)
    for size in range(100, len(content), 997):
        for read in ranges_of([Manifest(str(path), len(content))], size):
            list(lines_in(read))
    assert find_manifests([str(path)])
    assert opened == []
