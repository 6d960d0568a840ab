"""`alm-beam validate`: whether manifests are fit for training windows."""

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from alm_beam.cli.flag_parser import FlagParser
from alm_beam.cli.flags import add_flags, job_config
from alm_beam.cli.output import failed
from alm_beam.core.command_config import CommandConfig
from alm_beam.core.config import PARAMETERS, JobConfig, ManifestConfig, OverlapConfig, WindowConfig
from alm_beam.core.measure_config import AudioConfig
from alm_beam.core.parameters import Switch, parameters_of
from alm_beam.storage.secrets import shown

if TYPE_CHECKING:
    from alm_beam.report.validation import Verdict

_DESCRIPTION = """\
Reads manifests once, writes nothing, and says whether they are fit for alm-beam windows: what would be rejected, what
is missing, what looks wrong, how long segments, pauses and recordings are, how many windows there would be, and which
flags follow. The flags are those of alm-beam windows.
"""

_EPILOG = """\
Exit code: 0 when the manifests are fit: no entry is rejected, nothing looks wrong (segments without length and long
pauses do not count), and there are windows with these flags; with --check_audio, all audio is there, too. 1 when they
are not fit, or cannot be read. 2 when a flag is wrong. With --json, stdout holds one JSON object in either case, unless
the manifests cannot be read.
"""

_EXAMPLES = (
    "alm-beam validate manifests/",
    "alm-beam validate manifests/ --min_bandwidth 7000 --check_audio --json",
)

_PARTS = {"entries": ManifestConfig, "windows": WindowConfig, "overlapping windows": OverlapConfig}
"""The configurations whose flags are those of alm-beam windows, by the title under which help lists them."""

_OWN = ("json", "check_audio", "audio_root")


def main(argv: Sequence[str], prog: str) -> int:
    """Looks at the manifests, prints what was found, and gives the exit code.

    Raises:
        SystemExit: with code 2 when a flag is wrong, or an input names no manifest.
    """
    parser = _parser(prog)
    flags = parser.parse_known_flags(_with_values(argv))
    if hasattr(flags, "audio_root") and not flags.check_audio:
        parser.error("--audio_root says where --check_audio looks; give that, too")
    texts = {name: text for name, text in vars(flags).items() if name not in _OWN and text != []}
    stated = {}
    if hasattr(flags, "config"):
        from alm_beam.cli.configuration import stated_in

        stated = stated_in(parser, Namespace(**texts), flags.config, PARAMETERS, ())
    if "input" not in {*texts, *stated}:
        parser.error("the following arguments are required: INPUT")
    config = job_config(parser, Namespace(**{**texts, "output": "windows"}), JobConfig, stated)
    given = {name: text for name, text in texts.items() if name not in ("input", "storage_options")}
    root = getattr(flags, "audio_root", None)
    from alm_beam.cli.progress import counted_progress
    from alm_beam.jobs.watch import ToDo
    from alm_beam.storage.discovery import InputError
    from alm_beam.storage.options import StorageOptionsError

    try:
        with counted_progress(prog, ToDo.of_found("adding up", "recordings", "rejects")):
            verdict = _verdict(config, given, root, checks_audio=flags.check_audio)
    except InputError as error:
        given_input = str(error.value)
        parser.error(f"{shown(given_input)}: {error.allowed.replace(given_input, shown(given_input))}")
    except StorageOptionsError as error:
        parser.error(f"--storage_options: {error}")
    except (OSError, ValueError, ImportError, MemoryError) as error:
        return failed(prog, error)
    if flags.json:
        print(json.dumps(verdict.to_dict(), indent=2))
    else:
        from alm_beam.report.validation import render_verdict

        print(render_verdict(verdict))
    return 0 if verdict.is_fit else 1


def _parser(prog: str) -> FlagParser:
    parser = FlagParser(prog=prog, description=_DESCRIPTION, epilog=_EPILOG, examples=_EXAMPLES)
    files = parser.add_argument_group("files")
    files.add_argument(
        "input",
        metavar="INPUT",
        nargs="*",
        help="a manifest, a folder or a glob, as --input of alm-beam windows takes it; one at least, unless --config "
        "names it",
    )
    files.add_argument("--json", action="store_true", help="print one JSON object: alm-beam schema validation")
    files.add_argument(
        "--check_audio", action="store_true", help="look whether the audio files are there; nothing of them is read"
    )
    audio = parameters_of(AudioConfig)["audio_root"]
    file = parameters_of(CommandConfig)["config"]
    add_flags(files, [audio, *(PARAMETERS[name] for name in ("storage_options", "max_line_bytes")), file])
    for title, part in _PARTS.items():
        add_flags(parser.add_argument_group(title), parameters_of(part).values())
    return parser


def _with_values(argv: Sequence[str]) -> list[str]:
    """The arguments with a value for each switch: or it would take the INPUT that follows for one."""
    names = [name for part in _PARTS.values() for name, each in parameters_of(part).items() if isinstance(each, Switch)]
    switches = {f"--{prefix}{name}" for name in names for prefix in ("", "no_")}
    return [
        f"{each}=true" if each in switches and after.lower() not in ("true", "false") else each
        for each, after in zip(argv, [*argv[1:], ""])
    ]


def _verdict(config: JobConfig, given: Mapping[str, str], root: str | None, *, checks_audio: bool) -> "Verdict":
    from contextlib import nullcontext

    from alm_beam.core.inspection import inspected
    from alm_beam.core.repeats import SeenRecordings
    from alm_beam.core.validation import Validation
    from alm_beam.report.advice import advice, commands
    from alm_beam.report.validation import Verdict
    from alm_beam.storage.audio_check import audio_lookup
    from alm_beam.storage.lines import read_manifests
    from alm_beam.storage.options import options_by_protocol
    from alm_beam.storage.tally import count

    lines = read_manifests(
        *config.input, storage_options=config.storage_options, max_line_bytes=config.entry.max_line_bytes
    )
    options = options_by_protocol(config.storage_options, [*config.input, *([root] if root else [])])
    total, seen = Validation(), SeenRecordings()
    with audio_lookup(root, options) if checks_audio else nullcontext() as files:
        for line in lines:
            inspection = inspected(line, config, seen)
            total += inspection.validation
            is_rejected = bool(inspection.validation.rejects)
            count(recordings=not is_rejected, rejects=is_rejected)
            if files and inspection.audio:
                files.look_up(inspection.audio)
    return Verdict(
        total,
        config,
        advice(total, config),
        commands(total, config, given, config.input),
        files.check if files else None,
        not seen.is_full,
    )
