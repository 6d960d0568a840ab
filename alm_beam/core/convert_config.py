"""What a conversion is told."""

from dataclasses import dataclass, field

from alm_beam.core.parameter_fields import max_line_bytes, optional_folder, optional_text
from alm_beam.core.parameters import about
from alm_beam.core.path_parameters import Paths
from alm_beam.core.run_config import RunConfig


@dataclass(frozen=True)
class ConvertConfig(RunConfig):
    """Everything that a conversion is told: what other tools wrote to manifests, or cuts to what others read.

    >>> ConvertConfig.of({"input": "diarized/", "output": "manifests", "from_format": "rttm"}).input
    ('diarized/',)

    Raises:
        ConfigError: a value is out of its range.
    """

    input: tuple[str, ...] = field(
        metadata=about(
            Paths(
                help="a file of another tool, a folder (searched recursively for the endings of the format, also with "
                ".gz, .zst or .bz2) or a glob, as a path or any fsspec URL; separate several by commas, or repeat the "
                "flag; a file that is named twice is read once",
                label="Files",
                metavar="PATH",
                is_required=True,
            )
        )
    )
    from_format: str | None = optional_text(
        "what the input is", label="Format of the input", metavar="FORMAT", without="what the names of the files say"
    )
    to_format: str | None = optional_text(
        "what is made of cuts; without this, manifests are made of what other tools wrote",
        label="Format of the output",
        metavar="FORMAT",
        without="manifests",
    )
    audio_root: str | None = optional_folder(
        "folder that is searched for the audio of each recording, by its name; a path or any fsspec URL",
        label="Folder of the audio",
        without="no audio is looked for",
    )
    max_line_bytes: int = max_line_bytes()
