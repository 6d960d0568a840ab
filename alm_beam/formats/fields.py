"""Lines of fields between white space, as RTTM and CTM have them: their fields, and the times in them."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal

from alm_beam.core.faults import BadEntry, RejectReason

NOT_GIVEN = "<NA>"
"""Stands in a field for no value."""

_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_NO_NUMBERS = re.compile(r"[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_NO_CONFIDENCES = frozenset((NOT_GIVEN, "NA", "-", "NAN", "NONE", "NULL"))
_SAFE = re.compile(r"[%\s\x00-\x1f\x7f\ufeff]")


def fields_of(line: bytes) -> list[str]:
    r"""The fields of a line; none of a blank one and of a comment, which begins with `;;` or `#`.

    Raises:
        BadEntry: the line is not UTF-8.

    >>> fields_of(b"\xef\xbb\xbfSPEAKER\tmeeting  1\r"), fields_of(b";; by hand")
    (['SPEAKER', 'meeting', '1'], [])
    """
    parts = line.removeprefix(_BOM).split()
    if not parts or parts[0].startswith((b";;", b"#")):
        return []
    try:
        return b" ".join(parts).decode().split(" ")
    except UnicodeDecodeError as error:
        at = line.find(error.object) + error.start
        raise BadEntry(
            RejectReason.NOT_UTF8, f"byte {at} of the line: {error.reason}; convert the file: iconv -t UTF-8 OLD > NEW"
        ) from None


def given(field: str) -> str | None:
    """The field; None where it stands for no value."""
    return None if field.upper() == NOT_GIVEN else field


def seconds(field: str, what: str) -> Decimal:
    """A time in seconds, exactly as it is written.

    Args:
        field: its text.
        what: the field, for the message, with its number in the line.

    Raises:
        BadEntry: it is no number, or not finite.

    >>> seconds("0.1", "start (field 4)") + seconds("0.2", "duration (field 5)")
    Decimal('0.3')
    >>> seconds("1,5", "start (field 4)")
    Traceback (most recent call last):
        ...
    alm_beam.core.faults.BadEntry: time_not_number: start (field 4): expected a number of seconds, found '1,5'
    """
    if _NUMBER.fullmatch(field):
        number = Decimal(field)
        if math.isfinite(float(number)):
            return number
    elif not _NO_NUMBERS.fullmatch(field):
        found = repr(field[:40])
        raise BadEntry(RejectReason.TIME_NOT_NUMBER, f"{what}: expected a number of seconds, found {found}")
    raise BadEntry(RejectReason.TIME_NOT_FINITE, f"{what}: {field[:40]} is not a time")


def end_of(start: Decimal, duration: Decimal, what: str) -> float:
    """The end of what begins at `start` and lasts `duration` seconds, of their decimal digits: 0.1 and 0.2 give 0.3.

    Raises:
        BadEntry: the duration is negative, or the end is not finite.
    """
    if duration < 0:
        raise BadEntry(RejectReason.END_BEFORE_START, f"{what}: expected 0 or more seconds, found {duration}")
    end = float(start + duration)
    if not math.isfinite(end):
        raise BadEntry(RejectReason.TIME_NOT_FINITE, f"{what}: start and duration are too large to add")
    return end


def confidence_in(field: str, what: str) -> float | None:
    """The confidence in a field; None where it holds none.

    Raises:
        BadEntry: it holds something else, as where a name before it is of two words.

    >>> confidence_in("0.97", "confidence (field 9)"), confidence_in("<NA>", "confidence (field 9)")
    (0.97, None)
    """
    if field.upper() in _NO_CONFIDENCES:
        return None
    number = float(field) if _NUMBER.fullmatch(field) else math.nan
    if math.isfinite(number):
        return number
    found = repr(field[:40])
    why = "a field holds no spaces, so write names and words without"
    raise BadEntry(RejectReason.CONFIDENCE_NOT_NUMBER, f"{what}: expected a number or <NA>, found {found}; {why}")


def check_count(fields: Sequence[str], least: int, most: int, expected: str) -> None:
    """
    Raises:
        BadEntry: there are fewer fields, or more.
    """
    if not least <= len(fields) <= most:
        why = f"expected {least} to {most} fields ({expected}), found {len(fields)}"
        advice = "; a field holds no spaces, so write names and words without" if len(fields) > most else ""
        raise BadEntry(RejectReason.FIELD_COUNT, why + advice)


def safe_field(text: str) -> str:
    """A name as one field of a line: white space, control characters and `%` as in a URL. Different names stay so.

    >>> safe_field("Ann Lee"), safe_field("Ann_Lee"), safe_field("100%"), safe_field("<NA>")
    ('Ann%20Lee', 'Ann_Lee', '100%25', '%3CNA>')
    """
    if not text or text.upper() == NOT_GIVEN:
        return f"%3C{text[1:]}" if text else NOT_GIVEN
    return _SAFE.sub(_escaped, text)


def seconds_text(value: Decimal) -> str:
    """Seconds as text, all their digits, three at least, without an exponent.

    >>> seconds_text(Decimal("12.5")), seconds_text(Decimal("0.12345678"))
    ('12.500', '0.12345678')
    """
    whole, _, fraction = f"{value:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0'):0<3}"


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))
