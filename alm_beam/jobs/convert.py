"""The conversion: what other tools wrote to manifests, and cuts to what others read. It needs no Beam.

It runs in this process: what belongs to one recording is gathered on disk, and then written recording by recording, in
the order of their names. So neither the size of the input nor where its lines stand changes what memory it takes.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from alm_beam.core.convert_config import ConvertConfig
from alm_beam.core.convert_stats import ConvertStats
from alm_beam.core.errors import RunError
from alm_beam.core.estimate import Estimate
from alm_beam.core.parameters import ConfigError
from alm_beam.formats.format import Format
from alm_beam.formats.registry import FORMATS, TARGETS, format_named, format_of_endings, target_named
from alm_beam.jobs.conversion import CutConversion, EntryConversion, convert
from alm_beam.jobs.places import checked_folder, found_manifests, storage_options
from alm_beam.jobs.sample import estimate_of
from alm_beam.jobs.sampled_conversion import PROCESS_BYTES, START_SECONDS, sampled_conversion
from alm_beam.jobs.watch import UNWATCHED, ToDo, Watch, kept_for
from alm_beam.storage.audio_files import AudioFiles
from alm_beam.storage.connections import StorageOptions, close_connections
from alm_beam.storage.discovery import MANIFEST_SUFFIXES, InputError, Manifest, folder_search
from alm_beam.storage.lines import ManifestReadError
from alm_beam.storage.outputs import CONVERSION
from alm_beam.storage.run_folder import RunFolder, why_unfit
from alm_beam.storage.search import Search
from alm_beam.storage.secrets import shown
from alm_beam.storage.source_names import ending_of
from alm_beam.storage.spool import NoSpool, Spool
from alm_beam.storage.staged_run import StagedRun
from alm_beam.storage.tally import showing

_CUTS = folder_search((".jsonl",), "cuts")
_PLAIN = ("rttm", "ctm+rttm")
"""The formats that the names of files tell."""


@contextmanager
def _checked(
    config: ConvertConfig, spool: Spool
) -> Iterator[tuple[ConvertConfig, RunFolder, EntryConversion | CutConversion]]:
    """What a run would do, and in which folder; everything is checked that can be before anything is written."""
    _check_names(config)
    urls = [*config.input, config.output, *([config.audio_root] if config.audio_root else [])]
    options = storage_options(config.storage_options, urls)
    folder = checked_folder(RunFolder(config.output, CONVERSION, options), overwrite=config.overwrite)
    try:
        if config.to_format is not None:
            target = target_named(config.to_format)
            files = _each_once(found_manifests(config.input, folder, spool, _CUTS))
            yield config, folder, CutConversion(files, target, options, config.max_line_bytes)
            return
        name, files = _named_format(config, folder, spool)
        audio = _audio_files(config.audio_root, options)
        source = EntryConversion(files, format_named(name), options, config.max_line_bytes, audio)
        yield replace(config, from_format=name), folder, source
    finally:
        close_connections()
        spool.remove()


def estimate(config: ConvertConfig) -> Estimate:
    """What a run would come to, from a sample of its input. Everything is checked that `run` checks first.

    Raises:
        ConfigError, InputError, ManifestReadError: as `run` does. Nothing is written in any case.

    >>> import pathlib, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> _ = pathlib.Path(folder, "ami.rttm").write_text("SPEAKER ami 1 0.1 0.2 <NA> <NA> ann <NA> <NA>")
    >>> estimate(ConvertConfig(input=(folder,), output=f"{folder}-made")).amounts["recordings"].value
    1
    """
    with _checked(config, NoSpool()) as (told, _, source):
        sample = sampled_conversion(source, told)
        return estimate_of(
            sample,
            source.files,
            1,
            config.max_reject_fraction,
            start_seconds=START_SECONDS,
            process_bytes=PROCESS_BYTES,
        )


def run(config: ConvertConfig, watch: Watch = UNWATCHED) -> ConvertStats:
    """Runs a conversion, and gives its statistics. It prints nothing.

    Args:
        config: the job's parameters.
        watch: is told how the run goes on; for the commands alone.

    Raises:
        ConfigError: a parameter does not fit. Nothing was written.
        InputError: an input names no file, or one that cannot be read. Nothing was written.
        RejectLimitError: more was rejected than `max_reject_fraction` allows.
        ReplacedError: another run has begun to write to the same folder.
        ManifestReadError: a file could not be read to its end.
        RunError: the run failed otherwise; the message names the cause.

    >>> import pathlib, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> _ = pathlib.Path(folder, "ami.rttm").write_text("SPEAKER ami 1 0.1 0.2 <NA> <NA> ann <NA> <NA>")
    >>> run(ConvertConfig(input=(folder,), output=tempfile.mkdtemp())).segments
    1
    """
    with _checked(config, Spool()) as (told, folder, source):
        return _run(told, folder, source, watch)


def _run(
    config: ConvertConfig, folder: RunFolder, source: EntryConversion | CutConversion, watch: Watch
) -> ConvertStats:
    try:
        staged = StagedRun.of(folder, uuid.uuid4().hex)
        watch.begins_to_write(staged)
        folder.prepare()
        try:
            to_do = ToDo.of_bytes(sum(each.size for each in source.files), "recordings", "rejects")
            with kept_for(watch, to_do), showing():
                return convert(source, staged, config)
        except BaseException:
            with suppress(OSError):
                staged.discard()
            raise
    except ManifestReadError:
        raise
    except OSError as error:
        raise RunError(str(error)) from None


def _check_names(config: ConvertConfig) -> None:
    for flag, name, known in (("from", config.from_format, FORMATS), ("to", config.to_format, TARGETS)):
        if name is not None and name not in known:
            raise ConfigError(flag, name, f"must be {', '.join(known)}")
    if config.to_format is None:
        return
    for flag, value in (("from", config.from_format), ("audio_root", config.audio_root)):
        if value is not None:
            raise ConfigError(flag, shown(value), "means nothing beside --to, whose input are cuts; give one of them")


def _named_format(config: ConvertConfig, folder: RunFolder, spool: Spool) -> tuple[str, list[Manifest]]:
    """The name of the format of the inputs, and their files.

    Raises:
        ConfigError: the format is not given, and the names of the files do not tell it.
    """
    if config.from_format is not None:
        read = format_named(config.from_format)
        return config.from_format, _each_once(found_manifests(config.input, folder, spool, _search_for(read)))
    every = tuple(dict.fromkeys(ending for name in _PLAIN for ending in format_named(name).endings))
    known = f"give --from={'|'.join(FORMATS)}"
    try:
        files = _each_once(found_manifests(config.input, folder, spool, folder_search(every)))
    except InputError as error:
        raise InputError(str(error.value), f"{error.allowed}; if it is of another format, {known}") from None
    name = format_of_endings(ending_of(each.name or each.path) for each in files)
    if name is None:
        raise InputError(",".join(map(shown, config.input)), f"the names do not tell what the files are; {known}")
    return name, files


def _search_for(read: Format) -> Search:
    return folder_search(read.endings or ((".json",) if read.is_document else MANIFEST_SUFFIXES))


def _each_once(files: Sequence[Manifest]) -> list[Manifest]:
    return list({each.path: each for each in files}.values())


def _audio_files(root: str | None, options: StorageOptions) -> AudioFiles | None:
    if root is None:
        return None
    if why := why_unfit(root):
        raise ConfigError("audio_root", shown(root), why)
    try:
        return AudioFiles.below(root, options)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError("audio_root", shown(root), f"cannot be listed ({error})") from None
