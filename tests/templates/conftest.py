"""The template's image, made once for all tests that ask for it."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.templates.image import Image, instructions

IMAGE_NAME = "the-registry/alm-beam:1"


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    version = re.search(r"python:(\d+\.\d+)", dict(instructions())["FROM"])[1]
    return Image(tmp_path_factory.mktemp("image"), _python(version), {"IMAGE": IMAGE_NAME})


def _python(version: str) -> str:
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    found = shutil.which(f"python{version}")
    if found is None or subprocess.run([found, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"the image has Python {version}, which is not here")
    return found
