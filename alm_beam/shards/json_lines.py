"""Fields as a line of JSON."""

from collections.abc import Mapping
from typing import Any

import orjson

from alm_beam.core.faults import unwritable


def json_line(fields: Mapping[str, Any]) -> bytes:
    r"""The fields in a line, with its end.

    Raises:
        BadEntry: they are nested too deep.

    >>> json_line({"text": "später"}).decode()
    '{"text":"später"}\n'
    """
    try:
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError as error:
        raise unwritable(error) from None
