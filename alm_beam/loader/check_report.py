"""`alm-beam check-loader`: makes the checks and prints what each found."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from alm_beam.core.text import visible
from alm_beam.loader.check import CheckConfig, run_checks
from alm_beam.loader.check_audio import audio_found
from alm_beam.loader.check_findings import FAILED, PASSED, SKIPPED, Check, Finding, FlagFault
from alm_beam.loader.check_runs import LoaderRecipe
from alm_beam.loader.check_static import static_checks
from alm_beam.loader.mixture import WeightError, check_weights
from alm_beam.loader.mixture_summary import SummaryError
from alm_beam.loader.mixture_weights import PlannedMixture, expected_epochs, planned_mixture
from alm_beam.loader.sources import OpenSource, Source, open_sources
from alm_beam.storage.connections import StorageOptions

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {PASSED: "green", FAILED: "bold red", SKIPPED: "dim"}
_RESULT_WIDTH = 2 + max(map(len, _STYLES))
_CHECK_WIDTH = 2 + max(len(check.value) for check in Check)


def print_checks(
    sources: Sequence[str],
    *,
    weights: Sequence[float] | None = None,
    beta_corpus: float | None = None,
    beta_language: float | None = None,
    summary: str | None = None,
    repeat: bool = False,
    seed: int = 0,
    order: str = "windows",
    shuffle_window: int = 1024,
    world_size: int = 2,
    num_workers: int = 2,
    limit: int = 100_000,
    text_field: str = "text",
    state: str | None = None,
    loader: str = "alm_beam.loader:WindowLoader",
    audio: bool = False,
    audio_root: str | None = None,
    storage_options: StorageOptions | None = None,
) -> bool:
    """Makes all checks, prints each finding as it comes, and returns whether no check failed.

    Args:
        sources: folders of cuts with an index; paths or fsspec URLs.
        weights: one for each source; None: the sources are read as one.
        beta_corpus: see `mixture_sources`, which gives the weights then; with `beta_language` alone.
        beta_language: see `mixture_sources`.
        summary: see `mixture_sources`.
        repeat: read sources again, so that the weights hold to the end of an epoch.
        seed: of the order.
        order: see `WindowLoader`.
        shuffle_window: see `WindowLoader`.
        world_size: number of ranks, at least 1.
        num_workers: workers of each rank; 0: the rank itself reads.
        limit: how many windows a process reads of a pass at most; 0: all.
        text_field: field of the supervisions that must be a text; empty: no check.
        state: path of a file with a saved state, as JSON; None: no check.
        loader: `module:function`; the function is called as `WindowLoader` is. The module may be in the current folder.
        audio: read the audio of cuts that point into recordings, too; that of shards is read without it.
        audio_root: folder that relative paths of audio files are below.
        storage_options: fsspec's options for the sources.

    Raises:
        FlagFault: an argument is wrong.
        IndexFault, SourceError, ImportError, OSError, ValueError: there is nothing to check.
    """
    options = storage_options or {}
    has_betas = _has_betas(weights, beta_corpus, beta_language, summary)
    if repeat and weights is None and not has_betas:
        raise FlagFault("--repeat: repeats sources so that their weights hold, and there are no --weights")
    if order == "shards" and (weights is not None or has_betas):
        raise FlagFault("--order=shards: sources with weights are mixed window by window; leave one of both out")
    saved = _loaded(state)
    if beta_corpus is not None and beta_language is not None:
        mixture = _mixture(sources, beta_corpus, beta_language, summary, options)
    else:
        mixture = PlannedMixture([*_weighted(sources, weights)], [])
    asked = tuple(mixture.sources)
    recipe = LoaderRecipe(loader, asked, seed, repeat, options, os.getcwd(), order, shuffle_window)
    config = CheckConfig(recipe, open_sources(asked, options), world_size, num_workers, limit or sys.maxsize)
    recipe.loader(None)  # raises what is wrong with the arguments
    from rich.console import Console

    console = Console(highlight=False)
    if has_betas:
        _print_mixture(console, mixture, config.sources, repeat)
    count, failed = 0, 0
    for finding in _findings(config, text_field, saved, audio, audio_root):
        _print(console, finding)
        count += 1
        failed += finding.result == FAILED
    console.print(f"{count} checks, {failed} failed")
    return not failed


def _findings(
    config: CheckConfig, text_field: str, state: object, audio: bool, audio_root: str | None
) -> Iterator[Finding]:
    yield from static_checks(config, text_field, state)
    yield audio_found(config, of_plain_cuts=audio, audio_root=audio_root)
    yield from run_checks(config)


def _has_betas(
    weights: Sequence[float] | None, beta_corpus: float | None, beta_language: float | None, summary: str | None
) -> bool:
    """Whether the weights follow from hours; raises what does not go together."""
    given = [name for name, beta in (("corpus", beta_corpus), ("language", beta_language)) if beta is not None]
    if len(given) == 1:
        raise FlagFault(f"--beta_{given[0]}: give both --beta_corpus and --beta_language")
    if summary is not None and not given:
        raise FlagFault("--summary: its hours give weights by --beta_corpus and --beta_language, which are missing")
    if weights is not None and given:
        raise FlagFault("--weights: --beta_corpus and --beta_language give the weights; leave one of both out")
    return bool(given)


def _mixture(
    urls: Sequence[str], beta_corpus: float, beta_language: float, summary: str | None, options: StorageOptions
) -> PlannedMixture:
    try:
        return planned_mixture(
            urls, beta_corpus=beta_corpus, beta_language=beta_language, summary=summary, storage_options=options
        )
    except WeightError as error:
        raise FlagFault(f"--beta_corpus, --beta_language: {error}") from None
    except SummaryError as error:
        raise FlagFault(f"--summary: {error}") from None


def _print_mixture(console: "Console", mixture: PlannedMixture, sources: Sequence[OpenSource], repeat: bool) -> None:
    """Prints how often the windows of each source come, and where the summary differs from the indexes."""
    from rich.text import Text

    lines = [f"summary: {difference}" for difference in mixture.differences]
    lines += ["an epoch:" if repeat else "an epoch, if sources are repeated (--repeat):"]
    lines += [f"  source {number}: {each}" for number, each in enumerate(expected_epochs(sources))]
    for line in lines:
        console.print(Text(visible(line)), soft_wrap=True)


def _weighted(urls: Sequence[str], weights: Sequence[float] | None) -> tuple[Source, ...]:
    if weights is None:
        return tuple(map(Source, urls))
    if len(weights) != len(urls):
        raise FlagFault(f"--weights: {len(weights)} weights for {len(urls)} folders")
    try:
        check_weights(weights)
    except WeightError as error:
        raise FlagFault(f"--weights: {error}") from None
    return tuple(Source(url, weight=weight) for url, weight in zip(urls, weights))


def _loaded(path: str | None) -> object:
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise FlagFault(f"--state={path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise FlagFault(f"--state={path}: is no JSON ({error})") from None


def _print(console: "Console", finding: Finding) -> None:
    """Prints a line with result, check and evidence, and a line for each example."""
    from rich.text import Text

    # Texts, because rich would take brackets in labels, ids and paths for markup.
    result = (finding.result.ljust(_RESULT_WIDTH), _STYLES[finding.result])
    line = Text.assemble(result, finding.check.value.ljust(_CHECK_WIDTH), visible(finding.evidence))
    console.print(line, soft_wrap=True)
    for example in finding.examples:
        console.print(Text(f"{'':{_RESULT_WIDTH + 2}}{visible(example)}"), soft_wrap=True)
