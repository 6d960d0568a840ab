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
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["alm_beam", "alm_beam.*"]),
    package_data={"alm_beam": ["py.typed", "sample_data/*.jsonl", "schemas/*.json"]},
    entry_points={"console_scripts": ["alm-beam=alm_beam.cli.main:command"]},
    install_requires=[
        "apache-beam>=2.72,<2.78",  # the job; runners/ uses parts that no version promises, tested at both ends
        "fsspec>=2026.9",  # any storage by URL; what s3fs and gcsfs are tested with
        "orjson>=3.10",  # JSON in and out, at the speed that the figures need
        "msgspec>=0.19",  # passes over the words of a line, most of many a manifest, that nobody looks at
        "xxhash>=3.4",  # keys of the index's rows: ten times as fast as hashlib, for each line written and read
        "rich>=13.7",  # what commands print
        "pyyaml>=6.0.1",  # files of parameters, and what NeMo and model hubs read beside shards
        "backports.zstd>=1.0",  # the standard library's zstd reader: it notices a cut file
    ],
    extras_require={
        "audio": [
            "soundfile>=0.13",  # reads WAV, FLAC, Ogg and MP3, by ranges
            "av>=14",  # reads the rest: AAC, M4A, video
            "soxr>=0.5",  # resamples what goes into shards
        ],
        "aws": ["s3fs>=2026.9"],  # s3://; an older one may take half of a listing for the whole when the store fails
        "gcp": [
            "gcsfs>=2026.10",  # gs://
            "apache-beam[gcp]",  # to launch on Dataflow, where Beam's own filesystem serves gs://
        ],
        "curator": ["omegaconf>=2.3"],  # reads NeMo Curator's pipeline.yaml, with its ${...}
        "test": [
            "pytest>=8",
            "pytest-xdist>=3.6",
            "hypothesis>=6.100",
            "soundfile>=0.13",  # what `audio` brings
            "av>=14",
            "soxr>=0.5",
            "omegaconf>=2.3",  # what `curator` brings
            "webdataset>=0.2.111",  # reads shards back, as trainers do
            "jsonschema>=4.20",  # validates what the jobs write by the schemas in the package
            "s3fs>=2026.9",  # what `aws` brings
            "gcsfs>=2026.10",  # what `gcp` brings, less what only Dataflow needs
            "moto[s3,server]>=5.1",  # an S3 server, to test against
            "google-cloud-dataflow-client>=0.13",  # Dataflow's own parser of a template's metadata
            "gcp-storage-emulator>=2026.7.19",  # a GCS server, to test against
            "nbclient>=0.10",  # runs the notebooks
            "ipykernel>=6.29",  # what they run in
            "matplotlib>=3.9",  # what they draw with
        ],
        "bench": ["matplotlib>=3.9"],
        "docs": ["mkdocs==1.6.1", "mkdocs-material==9.8.2", "mkdocstrings==1.0.8", "mkdocstrings-python==2.0.11"],
        "dev": ["ruff==0.17.*", "mypy==2.4.*", "uv==0.13.9"],  # pinned: a new release may refuse what this one accepts
    },
)
