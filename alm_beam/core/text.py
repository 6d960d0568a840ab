"""Text that others wrote, made fit for a terminal."""

MOST_CHARS = 200
"""A longer text loses its middle, so that what shows it stays small."""


def visible(text: str) -> str:
    r"""The text in one line, with each character that is not printable written as Python's escape for it.

    These are control characters, line ends, marks that turn the direction of writing, spaces other than the plain one,
    and the halves of characters that stand for the bytes of a name that is not UTF-8. Doing it again changes nothing.

    >>> visible("caf\u00e9 \x1b[2J\u202e\n")
    'café \\x1b[2J\\u202e\\n'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def shortened(text: str, most: int = MOST_CHARS) -> str:
    r"""The text in at most so many printable characters: a longer one loses its middle.

    >>> shortened("abcdefghij\n", 7)
    'abc…j\\n'
    """
    shown = visible(text[: 2 * most] + text[-2 * most :] if len(text) > 4 * most else text)
    if len(shown) <= most and len(text) <= 4 * most:
        return shown
    return f"{shown[: most // 2]}…{shown[-(most - most // 2 - 1) :]}"
