"""The table that `alm-beam check-loader` prints."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from alm_beam.loader.check import FAILED, Finding, Trial, run_checks
from alm_beam.loader.check_runs import Made
from alm_beam.loader.check_static import static_checks
from alm_beam.loader.mixture import WeightError, check_weights
from alm_beam.loader.sources import Source, open_sources
from alm_beam.storage.options import StorageOptions, use


def print_checks(flags: argparse.Namespace, options: StorageOptions) -> bool:
    """Makes all checks, prints each when it is done, and tells whether none failed.

    Args:
        flags: those of the command.
        options: fsspec's.

    Raises:
        IndexFault, SourceError, WeightError, OSError, ValueError: there is nothing that could be tried.
    """
    use(options)
    weights = _weights(flags.weights, len(flags.dirs))
    sources = tuple(Source(url, weight=weight) for url, weight in zip(flags.dirs, weights))
    made = Made(flags.loader, sources, flags.seed, flags.repeat, options)
    trial = Trial(made, open_sources(sources), flags.world_size, flags.num_workers, flags.limit or sys.maxsize)
    with _importing_from_here():
        made.loader(None)  # refuses what makes no sense
        findings = []
        for finding in _findings(trial, flags.text_field, _saved(flags.state)):
            _print(finding)
            findings.append(finding)
    failed = sum(finding.result == FAILED for finding in findings)
    print(f"{len(findings)} checks, {failed} failed")
    return not failed


def _findings(trial: Trial, text_field: str, state: object) -> Iterator[Finding]:
    yield from static_checks(trial, text_field, state)
    yield from run_checks(trial)


def _print(finding: Finding) -> None:
    print(f"{finding.result:<7} {finding.check:<76} {finding.evidence}")
    for example in finding.examples:
        print(f"{'':8}  {example}", flush=True)


def _weights(given: str | None, count: int) -> list[float | None]:
    if given is None:
        return [None] * count
    try:
        weights = [float(each) for each in given.split(",")]
    except ValueError:
        raise WeightError(f"--weights={given}: must be numbers, separated by commas") from None
    if len(weights) != count:
        raise WeightError(f"--weights={given}: {len(weights)} weights for {count} folders")
    check_weights(weights)
    return list(weights)


def _saved(path: str | None) -> object:
    if path is None:
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


@contextmanager
def _importing_from_here() -> Iterator[None]:
    """Lets `--loader` name a module of the current folder, here and in the processes that are started."""
    sys.path.insert(0, os.getcwd())
    try:
        yield
    finally:
        sys.path.remove(os.getcwd())
