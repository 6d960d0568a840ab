"""Packaging. Each dependency states why it is there; lower bounds are tested by `make test-lowest`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

_HERE = Path(__file__).parent
_VERSION = re.search(r'__version__ = "(.+)"', (_HERE / "alm_beam" / "__init__.py").read_text(encoding="utf-8")).group(1)

setup(
    name="alm-beam",
    version=_VERSION,
    description="Training windows for audio language models from diarized speech, as an Apache Beam batch job",
    long_description=(_HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=["alm_beam", "alm_beam.*"]),
    package_data={"alm_beam": ["py.typed", "sample_data/*.jsonl"]},
    entry_points={"console_scripts": ["alm-beam=alm_beam.cli:main"]},
    install_requires=[
        "apache-beam>=2.77,<2.78",  # the job; the source for manifests overrides parts of it that no version promises
        "fsspec>=2024.2",  # any storage by URL
        "orjson>=3.10",  # JSON in and out, at the speed that the figures need
        "msgspec>=0.19",  # passes over the words of a line, most of many a manifest, that nobody looks at
        "backports.zstd>=1.0",  # the standard library's zstd reader: it notices a cut file
    ],
    extras_require={
        "test": ["pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6.100"],
        "bench": ["matplotlib>=3.9"],
        "dev": ["ruff==0.17.*", "mypy==2.4.*"],  # pinned: a new release may refuse what this one accepts
    },
)
