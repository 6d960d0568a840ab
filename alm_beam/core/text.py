"""Text of others, made safe to show."""


def visible(text: str) -> str:
    r"""The text with each character that is not printable replaced by its Python escape, newlines too.

    So a name from a file can neither move the cursor of a terminal, nor break a table, nor turn what stands after it.

    >>> visible("calls\x1b[2J\u202e")
    'calls\\x1b[2J\\u202e'
    >>> visible("naïve 語")
    'naïve 語'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
