"""The environments of the peers, which `make bench-peers` makes, and what runs in them."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.floor import REPO

PACKAGES = {
    "curator": ("nemo-curator", "ray", "torch"),
    "lhotse": ("lhotse", "torch"),
    "fairseq2": ("fairseq2", "torch"),
}
"""For each environment the packages whose versions are stated."""

_VERSIONS = """
import importlib.metadata, json, platform, sys
found = {name: importlib.metadata.version(name) for name in sys.argv[1:]}
print(json.dumps({"python": platform.python_version(), **found}))
"""


class PeerError(RuntimeError):
    """An environment is there, and its results could not be had, or they are wrong."""


def python_of(peer: str) -> Path:
    """Where the Python of the environment is if it was made."""
    return REPO / f".venv-bench-{peer}" / "bin" / "python"


def versions_of(peer: str) -> dict[str, str]:
    """The versions of Python and of the packages in the environment.

    Raises:
        PeerError: a package is missing.
    """
    found: dict[str, str] = json_of([str(python_of(peer)), "-c", _VERSIONS, *PACKAGES[peer]])
    return found


def json_of(command: Sequence[str], request: object = None) -> Any:
    """What a process writes to stdout, JSON, when it gets the request as JSON on stdin.

    Raises:
        PeerError: it fails.
    """
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=False, cwd=REPO)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise PeerError(f"{' '.join(command)}: exit code {done.returncode}: {last}")
    return json.loads(done.stdout)
