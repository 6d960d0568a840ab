"""What the files of a window are called, whatever ids hold."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_64_hexdigest

from alm_beam.shards.names import member_name

ids = st.text() | st.text("abAB-_./ \\", max_size=6) | st.from_regex(r"[ab]-[0-9a-fA-F]{15,17}", fullmatch=True)


@given(ids, st.integers(0, 3))
def test_every_name_is_safe(cut_id, copy):
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", member_name(cut_id, copy))


@given(st.sets(st.tuples(ids, st.integers(0, 3))))
def test_different_windows_have_different_names(windows):
    assert len({member_name(*window) for window in windows}) == len(windows)


@pytest.mark.parametrize(
    "cut_id", ["a", "-", "ES2002a-0-120000-1a2b3c4d", "x" * 80, "_", "550e8400-e29b-41d4-a716-446655440000"]
)
def test_an_id_that_is_a_name_stays(cut_id):
    assert member_name(cut_id) == cut_id


@pytest.mark.parametrize(
    ("cut_id", "head"),
    [
        ("a.b", "a_b"),
        ("a/b", "a_b"),
        ("a\\..\\b", "a_b"),
        ("../../etc/passwd", "_etc_passwd"),
        ("/", "_"),
        ("..", "_"),
        ("", ""),
        ("a\n", "a_"),
        ("a\0b", "a_b"),
        ("日本語 会議", "_"),
        ("aé", "a_"),
        ("\ud800", "_"),
        ("x" * 81, "x" * 63),
        ("x" * 300, "x" * 63),
        ("é" * 300, "_"),
    ],
)
def test_other_ids_are_cleaned_and_hashed(cut_id, head):
    name = member_name(cut_id)
    assert name == f"{head}-{xxh3_64_hexdigest(b'0:' + cut_id.encode('utf-8', 'surrogatepass'))}"


def test_ids_that_become_equal_are_told_apart():
    similar = ["a.b", "a/b", "a b", "a_b", "a..b", "x" * 300, "x" * 301]
    assert len({member_name(each) for each in similar}) == len(similar)


def test_no_id_is_the_name_of_another_window():
    names = [member_name("a.b"), member_name("a", copy=1), member_name("a.b", copy=2)]
    taken = {*names}
    for name in names:
        for chosen in (name, name.upper(), name.lower()):
            assert member_name(chosen).lower() not in taken


def test_copies_of_an_id_are_told_apart():
    assert len({member_name("a", copy) for copy in range(100)}) == 100
    assert member_name("1:a", 0) != member_name("a", 1)
