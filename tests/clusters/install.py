"""What a Flink cluster is made of, fetched by the registries' ordinary clients and kept in `.flink`."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".flink"
FLINK_VERSION = "1.19.3"
_POM = ROOT / "templates" / "flink" / "pom.xml"
_FETCH_SECONDS = 900


class UnavailableError(Exception):
    """A part of the cluster cannot be had here; the message says which, and why."""


def flink_jars() -> Path:
    """The folder of Flink's own jars: the distribution is inside a package for Python."""
    folder = KEPT / f"flink-{FLINK_VERSION}"
    if not folder.exists():
        _need("java")
        name = f"apache-flink-libraries-{FLINK_VERSION}"
        options = ["-q", "--no-deps", "--no-binary=:all:", f"--dest={KEPT}"]
        _fetch(
            sys.executable, "-m", "pip", "download", *options, name.replace(f"-{FLINK_VERSION}", f"=={FLINK_VERSION}")
        )
        archive = KEPT / f"{name}.tar.gz"
        with tarfile.open(archive) as packed:
            packed.extractall(
                KEPT, [each for each in packed if each.name.startswith(f"{name}/deps/lib/")], filter="data"
            )
        (KEPT / name / "deps" / "lib").rename(folder)
        shutil.rmtree(KEPT / name)
        archive.unlink()
    return folder


def job_server_jar() -> Path:
    """Beam's Flink job server."""
    _need("java")
    jar = KEPT / f"job-server-{hashlib.blake2b(_POM.read_bytes(), digest_size=4).hexdigest()}.jar"
    if not jar.exists():
        built = KEPT / "job-server"
        _fetch(_need("mvn"), "-B", "-q", "-f", str(_POM), f"-DbuildFolder={built}", "package")
        next(built.glob("flink-job-server-*.jar")).rename(jar)
        shutil.rmtree(built)
    return jar


def boot() -> Path:
    """The program that Beam's images start workers by, of Beam's version here."""
    return _go_program("github.com/apache/beam/sdks/v2/python/container", "boot")


def prism() -> Path:
    """Beam's Prism runner, of Beam's version here."""
    return _go_program("github.com/apache/beam/sdks/v2/go/cmd/prism", "prism")


def _go_program(package: str, name: str) -> Path:
    beam = version("apache-beam")
    program = KEPT / f"{name}-{beam}"
    if not program.exists():
        built = KEPT / f"{name}-go"
        _fetch(_need("go"), "install", f"{package}@v{beam}", GOBIN=str(built))
        next(built.iterdir()).rename(program)
        built.rmdir()
    return program


def _need(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise UnavailableError(f"{program} is not on this machine")
    return found


def _fetch(*command: str, **environment: str) -> None:
    KEPT.mkdir(exist_ok=True)
    try:
        done = subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"`{' '.join(command)}` took more than {_FETCH_SECONDS} s") from None
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines()
        raise UnavailableError(f"`{' '.join(command)}` failed: {lines[-1] if lines else ''}")
