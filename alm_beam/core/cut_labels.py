"""What a cut says of the kind of its speech."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class CutLabels(NamedTuple):
    """The labels of a cut, by which the index tells windows; empty where it states none.

    Corpus and language are those by which shards in parquet are partitioned, which say `unknown` where it states none.

    Attributes:
        source: see `source_of`.
        corpus: see `corpus_of`.
        language: of the first supervision, or else that of the cut.

    >>> CutLabels.of({"custom": {"source": "meetings", "lang": "en"}})
    CutLabels(source='meetings', corpus='meetings', language='en')
    """

    source: str
    corpus: str
    language: str

    @classmethod
    def of(cls, cut: Mapping[str, Any]) -> "CutLabels":
        """Those that a cut states."""
        supervisions = cut.get("supervisions")
        first = supervisions[:1] if isinstance(supervisions, list) else []
        return cls(source_of(cut), corpus_of(cut), language_of({"custom": cut.get("custom"), "supervisions": first}))


def source_of(cut: Mapping[str, Any]) -> str:
    """Its `custom.source`, by which the index labels windows; empty where it has none.

    >>> source_of({"custom": {"source": "meetings"}}), source_of({})
    ('meetings', '')
    """
    return _text(cut.get("custom"), "source")


def corpus_of(cut: Mapping[str, Any]) -> str:
    """Its `custom.corpus`, or else its source; empty where it has neither.

    >>> corpus_of({"custom": {"source": "meetings", "corpus": "ami"}}), corpus_of({"custom": {"source": "meetings"}})
    ('ami', 'meetings')
    """
    return _text(cut.get("custom"), "corpus") or source_of(cut)


def language_of(cut: Mapping[str, Any]) -> str:
    """The language of the first supervision that states one, or else that of the cut; empty where nothing states it.

    >>> language_of({"supervisions": [{"language": None}, {"language": "de"}], "custom": {"lang": "en"}})
    'de'
    """
    supervisions = cut.get("supervisions")
    stated = (_text(each, "language") for each in (supervisions if isinstance(supervisions, list) else []))
    custom = cut.get("custom")
    return next(filter(None, stated), "") or _text(custom, "language") or _text(custom, "lang")


def speakers_of(cut: Mapping[str, Any]) -> int:
    """How many speakers it has: its `custom.num_speakers`, or else those that its supervisions name.

    >>> speakers_of({"supervisions": [{"speaker": "anna"}, {"speaker": "otto"}, {"speaker": "anna"}]})
    2
    """
    custom, supervisions = cut.get("custom"), cut.get("supervisions")
    stated = custom.get("num_speakers") if isinstance(custom, dict) else None
    if type(stated) is int and stated >= 0:
        return stated
    return len({_text(each, "speaker") for each in (supervisions if isinstance(supervisions, list) else [])} - {""})


def _text(fields: Any, name: str) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, str) else ""
