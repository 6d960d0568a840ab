"""Text of others, made fit for a terminal."""

import pytest

from alm_beam.core.errors import RunError
from alm_beam.core.text import shortened, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two words", "two words"),
        ("größe 東京 привет 🙂", "größe 東京 привет 🙂"),
        (r"C:\x1b", r"C:\x1b"),
        ("\x1b[2J\a", r"\x1b[2J\x07"),
        ("a\nb\r\tc\x85\u2028", r"a\nb\r\tc\x85\u2028"),
        ("\u202egpj", r"\u202egpj"),
        ("a\u200bb\u00a0\U000e0001", r"a\u200bb\xa0\U000e0001"),
        ("caf\udce9", r"caf\udce9"),
    ],
)
def test_what_is_not_printable_is_an_escape(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


def test_the_message_of_a_failed_run_is_one_line():
    assert str(RunError("a\nb\x1b: full")) == r"a\nb\x1b: full"


def test_a_long_text_loses_its_middle():
    assert shortened("a" * 500 + "z") == "a" * 100 + "…" + "a" * 98 + "z"
    assert len(shortened("\x00" * 10_000)) == 200
    assert shortened("b" * 200) == "b" * 200
