"""The fenced blocks of a page of the documentation, and how they are run.

A block of `sh`, `python` or `json` is run, top to bottom, in a folder of the page's own: `sh` by bash, `python` with
the names of the page's earlier Python blocks, `json` by a parser. A block of `text` that follows is what the block
before it prints; `...` stands for anything. A comment before a block says what else is to be done:

- `<!-- not run: REASON -->`: nothing, for that reason;
- `<!-- file: NAME -->`: the block is the file of that name, which later commands use;
- `<!-- run as: COMMAND -->`: this command is run in its place, as it is what the block ends with.
"""

import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
LANGUAGES = ("sh", "python", "json", "text")

_BLOCK = re.compile(r"(?:^<!-- (not run|file|run as): (.+?) -->\n+)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: name of the file.
        number: of its first line, counted from 1.
        language: the word after the fence.
        text: what stands in it.
        marker: `not run`, `file`, `run as`, or nothing.
        argument: what the marker says.
    """

    page: str
    number: int
    language: str
    text: str
    marker: str | None
    argument: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.number}"


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        marker, argument, language, body = match.groups()
        number = text.count("\n", 0, match.start(4)) + 1
        found.append(Block(page.name, number, language, body, marker, argument))
    return found


def run_page(page: Path, folder: Path) -> None:
    """Runs the blocks of a page in a folder.

    Raises:
        AssertionError: a block fails, or prints something else than the page says.
    """
    for name in ("alm_beam", "docs", "pipelines", "templates"):
        (folder / name).symlink_to(REPOSITORY / name)
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = None
    for block in blocks(page):
        if block.language == "text" and block.marker is None:
            assert printed is not None, f"{block}: no block before it that was run"
            assert _matches(printed, block.text), f"{block}: this was printed:\n{printed}"
            continue
        printed = None
        if block.marker == "not run":
            continue
        if block.marker == "file":
            (folder / str(block.argument)).write_text(block.text, encoding="utf-8")
        elif block.marker == "run as":
            printed = _shell(block, f"{block.argument}\n", folder)
        elif block.language == "sh":
            printed = _shell(block, block.text, folder)
        elif block.language == "python":
            printed = _python(block, names, folder)
        else:
            json.loads(block.text)


def _matches(printed: str, shown: str) -> bool:
    pattern = ".*?".join(re.escape(part) for part in _stripped(shown).split("..."))
    return re.fullmatch(pattern, _stripped(printed), re.DOTALL) is not None


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def environment() -> dict[str, str]:
    """The environment of commands: `python` and `alm-beam` are those of the tests, the package is this checkout's."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    packages = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return os.environ | {"PATH": path, "PYTHONPATH": packages}


def _shell(block: Block, text: str, folder: Path) -> str:
    on_a_free_port = text.replace("5555", str(_free_port()))  # the port of the server that docs/storage.md starts
    command = ["bash", "-euo", "pipefail", "-c", on_a_free_port]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            out, errors = shell.communicate(timeout=1800)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)  # what it left in the background
    assert shell.returncode == 0, f"{block}: exit code {shell.returncode}\n{out}\n{errors}"
    return out


def _python(block: Block, names: dict[str, Any], folder: Path) -> str:
    printed = io.StringIO()
    code = compile(block.text, str(block), "exec")
    with contextlib.redirect_stdout(printed), _inside(folder):
        exec(code, names)
    return printed.getvalue()


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Makes the folder the working directory, and finds commands as `_shell` does."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        with mock.patch.dict(os.environ, environment()):
            yield
    finally:
        os.chdir(before)


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port
