"""Text that others wrote, made fit for a terminal."""


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
