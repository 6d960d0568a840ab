"""What a Dockerfile makes, without Docker: its own instructions, carried out in a folder and a fresh environment.

What other images bring (`FROM` anything but Python, `COPY --from`) is only noted: it cannot be had here.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = REPOSITORY / "templates" / "dataflow" / "Dockerfile"

_NOT_OF_THE_HOST = ("PYTHON", "VIRTUAL_ENV", "PIP_REQUIRE", "PIP_CONSTRAINT", "ALM_BEAM", "GOOGLE", "GCE_", "FSSPEC_")


def instructions() -> Iterator[tuple[str, str]]:
    """Of the Dockerfile, in their order: (instruction, what follows it)."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name, rest.strip()


class Image:
    """The image's file system below a folder, and its Python as a virtual environment."""

    def __init__(self, root: Path, python: str, arguments: Mapping[str, str]):
        """
        Args:
            root: stands for the image's `/`.
            python: an interpreter of the version that the image has.
            arguments: of the build, `--build-arg`.
        """
        self.root = root
        self.entrypoint = ""
        self._python = python
        self._folder = "/"
        self._arguments = dict(arguments)
        host = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_OF_THE_HOST)}
        self.environment = {**host, "PATH": f"{root / 'venv' / 'bin'}:{os.environ['PATH']}"}
        self.own: dict[str, str] = {}
        for name, rest in instructions():
            getattr(self, f"_{name.lower()}")(rest)

    def path(self, inside: str) -> Path:
        """Where a path of the image is here."""
        return self.root / os.path.join(self._folder, inside).lstrip("/")

    def run(self, command: list[str], env: Mapping[str, str] | None = None, timeout: float = 600):
        """A command in the image's working folder, with its environment; output as text."""
        return subprocess.run(
            command, cwd=self.path("."), env={**self.environment, **self.own, **(env or {})}, timeout=timeout,
            capture_output=True, text=True,
        )  # fmt: skip

    def main(self) -> list[str]:
        """The command that a template's launcher starts, without its flags."""
        return ["python", str(self.root / self.own["FLEX_TEMPLATE_PYTHON_PY_FILE"].lstrip("/"))]

    def _from(self, rest: str) -> None:
        subprocess.run([self._python, "-m", "venv", str(self.root / "venv")], check=True, env=self.environment)

    def _workdir(self, rest: str) -> None:
        self._folder = rest
        self.path(".").mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        words = rest.split()
        if words[0].startswith("--from="):
            return
        *sources, target = words
        for source in sources:
            found, to = REPOSITORY / source, self.path(target)
            if found.is_dir():
                shutil.copytree(found, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(found, to)

    def _run(self, rest: str) -> None:
        done = self.run(["sh", "-ec", rest], self._arguments, timeout=900)
        if done.returncode:
            raise AssertionError(f"RUN {rest}\n{done.stdout}\n{done.stderr}")

    def _arg(self, rest: str) -> None:
        name, _, default = rest.partition("=")
        if default:
            self._arguments.setdefault(name, default)
        assert name in self._arguments, f"the build has no argument {name}"

    def _env(self, rest: str) -> None:
        name, _, value = rest.partition("=")
        self.own[name] = re.sub(r"\$\{(\w+)\}", lambda match: self._arguments[match[1]], shlex.split(value)[0])

    def _entrypoint(self, rest: str) -> None:
        self.entrypoint = rest
