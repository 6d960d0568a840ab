"""Mixtures by corpus and language: the weights of sources, from the hours of each corpus and language."""

import os
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple, TypeVar

from alm_beam.core.text import visible
from alm_beam.loader.mixture import MAX_BLOCK, Mixture, WeightError
from alm_beam.loader.mixture_summary import Difference, Hours, matched, named_pair, read_summary, summary_differences
from alm_beam.loader.sources import OpenSource, Source, SourceError, label_sets_of, open_sources
from alm_beam.storage.index.open import Index
from alm_beam.storage.options import options_by_protocol
from alm_beam.storage.secrets import shown

_Name = TypeVar("_Name", str, tuple[str, str])


class SummaryWarning(UserWarning):
    """The hours of a summary are not those of the indexes, or it has rows that no window is of."""


class PlannedMixture(NamedTuple):
    """The sources of a mixture.

    Attributes:
        sources: one for each folder, corpus and language, each with its weight.
        differences: of the summary from the indexes.
    """

    sources: list[Source]
    differences: list[Difference]


class ExpectedEpochs(NamedTuple):
    """How often the windows of a source come in an epoch whose sources are repeated.

    Attributes:
        source: as it was given.
        windows: how many it has.
        hours: of all of them.
        steps: windows of it in an epoch.
        share: of all windows of an epoch, 0 to 1.

    >>> print(ExpectedEpochs(Source("ami", corpus="ami", language="en", weight=0.5), 1000, 30.0, 2500, 0.25))
    ami, corpus 'ami', language 'en': 1,000 windows, 30.00 hours; 25.00 % of an epoch, each window 2.50 times
    """

    source: Source
    windows: int
    hours: float
    steps: int
    share: float

    @property
    def epochs(self) -> float:
        """How often each of its windows comes."""
        return self.steps / self.windows

    def __str__(self) -> str:
        source = self.source
        parts = (("label", source.label), ("corpus", source.corpus), ("language", source.language))
        name = ", ".join([shown(source.url), *(f"{kind} {value!r}" for kind, value in parts if value is not None)])
        size = f"{self.windows:,} windows, {self.hours:,.2f} hours"
        share = f"{self.share * 100:.2f} % of an epoch, each window {self.epochs:,.2f} times"
        return visible(f"{name}: {size}; {share}")


def mixture_weights(hours: Mapping[tuple[str, str], float], *, beta_corpus: float, beta_language: float) -> Hours:
    """The weight of each corpus and language, as Omnilingual ASR computes it. They add up to 1.

    A corpus has the weight (its hours / all hours) ** beta_corpus, divided by the sum of these; and of that a language
    has the part (its hours / hours of the corpus) ** beta_language, divided by the sum of these over its corpus.

    Args:
        hours: by corpus and language.
        beta_corpus: at least 0. 1: corpora are read in proportion to their hours; 0: all equally often.
        beta_language: the same for the languages of a corpus.

    Raises:
        WeightError: there are no hours, hours or a beta are no number of at least 0, or a corpus has 0 hours, so that
            the parts of its languages are no numbers.

    >>> hours = {("ami", "en"): 90, ("calls", "en"): 9, ("calls", "de"): 1}
    >>> weights = mixture_weights(hours, beta_corpus=0.5, beta_language=0.5)
    >>> {pair: round(weight, 4) for pair, weight in weights.items()}
    {('ami', 'en'): 0.75, ('calls', 'en'): 0.1875, ('calls', 'de'): 0.0625}
    """
    for name, beta in (("beta_corpus", beta_corpus), ("beta_language", beta_language)):
        if not _is_count(beta):
            raise WeightError(f"{name}={beta!r}: must be a number, at least 0")
    of_corpus: dict[str, float] = defaultdict(float)
    for pair, count in hours.items():
        if not _is_count(count):
            raise WeightError(f"{visible(named_pair(*pair))}: has {count!r} hours; must be a number, at least 0")
        of_corpus[pair[0]] += count
    for corpus, count in of_corpus.items():
        if not count:
            raise WeightError(f"corpus {corpus!r}: has 0 hours, by which its languages have no weights; leave it out")
    total = sum(of_corpus.values())
    if not of_corpus or not isfinite(total):
        raise WeightError(f"the hours of all corpora are {total}; they must be a number above 0")
    corpora = _shares({corpus: (count / total) ** beta_corpus for corpus, count in of_corpus.items()}, "beta_corpus")
    weights: Hours = {}
    for corpus, share in corpora.items():
        powers = {
            pair: (count / of_corpus[corpus]) ** beta_language for pair, count in hours.items() if pair[0] == corpus
        }
        weights.update({pair: share * part for pair, part in _shares(powers, "beta_language").items()})
    return {pair: weights[pair] for pair in hours}


def hours_by_label(index: Index) -> Hours:
    """The hours of each corpus and language of an index.

    Raises:
        SourceError: the index was made before indexes held corpus and language.

    >>> from alm_beam.storage.index.build import build_index
    >>> from alm_beam.storage.index.open import open_index
    >>> meta = build_index(windows, overwrite=True)
    >>> {pair: round(hours, 3) for pair, hours in hours_by_label(open_index(windows)).items()}
    {('calls', ''): 0.142, ('meetings', ''): 0.088}
    """
    return {(each.corpus, each.language): each.duration / 3600 for each in label_sets_of(index)}


def mixture_sources(
    urls: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    beta_corpus: float,
    beta_language: float,
    summary: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> list[Source]:
    """The windows of folders as a source for each corpus and language, with weights by their hours.

    Give them to `WindowLoader` or `WindowBatches`, with `repeat=True` if the weights are to hold to the end of an
    epoch. Where several folders have windows of a corpus and language, these share its weight by their numbers, so that
    each window comes equally often.

    Args:
        urls: folders of cuts with an index; paths or any fsspec URLs.
        beta_corpus: see `mixture_weights`.
        beta_language: see `mixture_weights`.
        summary: a tab-separated table with the columns corpus, language and hours, by which the weights are computed,
            also over rows that no window is of; None: the hours of the indexes.
        storage_options: fsspec's, as for `WindowLoader`.

    Raises:
        SourceError: there is no folder or no window, a folder is given twice, or an index was made before indexes held
            corpus and language.
        SummaryError: the summary cannot be used, or a corpus and language of the windows is not in it.
        WeightError: see `mixture_weights`; or a weight is 0, or less than 1/65,536 of all.
        IndexFault, OSError: something cannot be read.

    Warns:
        SummaryWarning: where hours of the summary differ from those of the indexes by more than 1 %, and where no
            window is of a row of it.

    >>> from alm_beam.loader import WindowLoader, mixture_sources
    >>> from alm_beam.storage.index.build import build_index
    >>> meta = build_index(windows, overwrite=True)
    >>> sources = mixture_sources(windows, beta_corpus=0.5, beta_language=0.5)
    >>> [(source.corpus, round(source.weight, 3)) for source in sources]
    [('calls', 0.559), ('meetings', 0.441)]
    >>> len(WindowLoader(sources, repeat=True))
    9
    """
    planned = planned_mixture(
        urls,
        beta_corpus=beta_corpus,
        beta_language=beta_language,
        summary=summary,
        storage_options=storage_options,
    )
    for difference in planned.differences:
        warnings.warn(visible(str(difference)), SummaryWarning, stacklevel=2)
    return planned.sources


def planned_mixture(
    urls: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    beta_corpus: float,
    beta_language: float,
    summary: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> PlannedMixture:
    """What `mixture_sources` gives, and the differences of the summary, of which it does not warn."""
    folders = [os.fspath(each) for each in ([urls] if isinstance(urls, (str, os.PathLike)) else urls)]
    names = [url.rstrip("/") for url in folders]
    twice = next((url for at, url in enumerate(folders) if names[at] in names[:at]), None)
    if twice is not None or not folders:
        what = "there is no source" if twice is None else f"{visible(shown(twice))}: is given twice"
        raise SourceError(what)
    table = None if summary is None else os.fspath(summary)
    options = options_by_protocol(storage_options, folders if table is None else [*folders, table])
    indexes = [each.index for each in open_sources([Source(url) for url in folders], options)]
    hours = _added_hours(indexes)
    if not hours:
        raise SourceError(f"{visible(', '.join(map(shown, folders)))}: there is no window")
    stated, differences = hours, []
    if table is not None:
        stated = matched(read_summary(table, options), list(hours), shown(table))
        differences = summary_differences(stated, hours)
    try:
        weights = mixture_weights(stated, beta_corpus=beta_corpus, beta_language=beta_language)
    except WeightError as error:
        raise (error if table is None else WeightError(f"{visible(shown(table))}: {error}")) from None
    return PlannedMixture(_sources(folders, indexes, weights), differences)


def expected_epochs(sources: Sequence[OpenSource]) -> list[ExpectedEpochs]:
    """How often the windows of each source come in an epoch by the weights, with `repeat=True`.

    Args:
        sources: `sources` of a loader; all have a weight.

    Raises:
        WeightError: a source has no weight or no window, or see `check_weights`.

    >>> from alm_beam.loader import WindowLoader
    >>> loader = WindowLoader([Source(windows, label="calls", weight=3), Source(windows, label="meetings", weight=1)])
    >>> [each.epochs for each in expected_epochs(loader.sources)]
    [1.6, 1.0]
    """
    weights = [each.source.weight for each in sources if each.source.weight is not None]
    if len(weights) < len(sources):
        raise WeightError("a source has no weight, so its windows come once in an epoch")
    mixture = Mixture([each.rows for each in sources], weights, repeat=True)
    return [
        ExpectedEpochs(
            each.source, each.rows, float(each.durations().sum()) / 3600, steps, steps / max(mixture.steps, 1)
        )
        for each, steps in zip(sources, mixture.counts)
    ]


def mixture_lines(mixture: PlannedMixture, expected: Sequence[ExpectedEpochs], *, repeat: bool) -> list[str]:
    """How often the windows of each source come, and where the summary differs from the indexes, line by line."""
    return [
        *(f"summary: {difference}" for difference in mixture.differences),
        "an epoch:" if repeat else "an epoch, if sources are repeated (--repeat):",
        *(f"  source {number}: {each}" for number, each in enumerate(expected)),
    ]


def _is_count(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value) and value >= 0


def _shares(powers: Mapping[_Name, float], beta: str) -> dict[_Name, float]:
    total = sum(powers.values())
    if not total:
        raise WeightError(f"{beta} is so large that all weights are 0; give a smaller one")
    return {name: power / total for name, power in powers.items()}


def _added_hours(indexes: Sequence[Index]) -> Hours:
    """Of all indexes, by corpus and language, sorted."""
    hours: dict[tuple[str, str], float] = defaultdict(float)
    for index in indexes:
        for pair, count in hours_by_label(index).items():
            hours[pair] += count
    return dict(sorted(hours.items()))


def _sources(urls: Sequence[str], indexes: Sequence[Index], weights: Mapping[tuple[str, str], float]) -> list[Source]:
    """A source for each corpus, language and folder, in this order."""
    found: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for url, index in zip(urls, indexes):
        for each in label_sets_of(index):
            found[each.corpus, each.language].append((url, each.rows))
    total = sum(weights[pair] for pair in found)
    sources = []
    for pair in sorted(found):
        rows = sum(count for _, count in found[pair])
        for url, count in found[pair]:
            weight = weights[pair] / total * count / rows if total else 0.0
            _check_weight(weight, url, pair)
            sources.append(Source(url, weight=weight, corpus=pair[0], language=pair[1]))
    return sources


def _check_weight(weight: float, url: str, pair: tuple[str, str]) -> None:
    where = visible(f"{shown(url)}, {named_pair(*pair)}")
    if not weight:
        raise WeightError(f"{where}: has 0 hours, so its windows would never be read; correct its hours")
    if weight * MAX_BLOCK < 1:
        what = f"has the weight {weight:.3g}, less than 1/{MAX_BLOCK:,} of all, by which windows cannot be mixed"
        raise WeightError(f"{where}: {what}; give smaller betas (0: all equally often), or make its Source yourself")
