"""`alm-beam check-loader`: makes the checks and prints what each found."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from alm_beam import __version__
from alm_beam.core.text import visible
from alm_beam.loader.check import CheckConfig, run_checks
from alm_beam.loader.check_audio import audio_found
from alm_beam.loader.check_batches import batch_findings, batch_recipe
from alm_beam.loader.check_findings import FAILED, PASSED, SKIPPED, Check, Finding, FlagFault
from alm_beam.loader.check_runs import LoaderRecipe
from alm_beam.loader.check_static import static_checks
from alm_beam.loader.mixture_weights import PlannedMixture, expected_epochs, mixture_lines
from alm_beam.loader.partition import Partition
from alm_beam.loader.sources import open_sources
from alm_beam.storage.connections import StorageOptions

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {PASSED: "green", FAILED: "bold red", SKIPPED: "dim"}
_RESULT_WIDTH = 2 + max(map(len, _STYLES))
_CHECK_WIDTH = 2 + max(len(check.value) for check in Check)


def print_checks(
    mixture: PlannedMixture,
    *,
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
    batching: Mapping[str, Any] | None = None,
    storage_options: StorageOptions | None = None,
    as_json: bool = False,
) -> bool:
    """Makes all checks, prints each finding as it comes, and returns whether no check failed.

    Args:
        mixture: folders of cuts with an index; all with a weight, or none.
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
        batching: arguments of `WindowBatches` by name, for the checks of planned batches; None: they are not made.
        storage_options: fsspec's options for the sources.
        as_json: print one JSON object when all is done, in place of the lines.

    Raises:
        FlagFault: an argument is wrong.
        IndexFault, SourceError, ImportError, OSError, ValueError: there is nothing to check.
    """
    options = storage_options or {}
    has_weights = mixture.sources[0].weight is not None
    if order == "shards" and has_weights:
        raise FlagFault("--order=shards: sources with weights are mixed window by window; leave one of both out")
    asked, saved = tuple(mixture.sources), _loaded(state)
    recipe = LoaderRecipe(loader, asked, seed, repeat, options, os.getcwd(), order, shuffle_window)
    config = CheckConfig(recipe, open_sources(asked, options), world_size, num_workers, limit or sys.maxsize)
    recipe.loader(None)  # raises what is wrong with the arguments
    of_batches = None
    if batching is not None:
        of_batches = replace(config, recipe=batch_recipe(recipe, batching))
        of_batches.recipe.loader(Partition(0, world_size))  # the same
    lines = mixture_lines(mixture, expected_epochs(config.sources), repeat=repeat) if has_weights else []
    findings = _findings(config, of_batches, text_field, saved, audio, audio_root)
    return _print_json(lines, findings) if as_json else _print_lines(lines, findings)


def _print_lines(mixture: Sequence[str], findings: Iterator[Finding]) -> bool:
    """Prints how often the windows of each source come, and each finding as it comes; whether no check failed."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line in mixture:
        console.print(Text(visible(line)), soft_wrap=True)
    count, failed = 0, 0
    for finding in findings:
        _print(console, finding)
        count += 1
        failed += finding.result == FAILED
    console.print(f"{count} checks, {failed} failed")
    return not failed


def _print_json(mixture: Sequence[str], findings: Iterator[Finding]) -> bool:
    """Prints all findings as one JSON object; whether no check failed."""
    checks = [
        {"check": each.check.value, "result": each.result, "evidence": each.evidence, "examples": [*each.examples]}
        for each in findings
    ]
    failed = sum(each["result"] == FAILED for each in checks)
    content = {"version": __version__, "sound": not failed, "failed": failed, "mixture": [*mixture], "checks": checks}
    print(json.dumps(content, indent=2))
    return not failed


def _findings(
    config: CheckConfig,
    of_batches: CheckConfig | None,
    text_field: str,
    state: object,
    audio: bool,
    audio_root: str | None,
) -> Iterator[Finding]:
    yield from static_checks(config, text_field, state, of_batches.recipe if of_batches else None)
    yield audio_found(config, of_plain_cuts=audio, audio_root=audio_root)
    yield from run_checks(config)
    if of_batches:
        yield from batch_findings(of_batches)


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
