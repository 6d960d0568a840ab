"""What a job reads and where it writes, checked before anything is written. No Beam."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from alm_beam.core.config import ConfigError
from alm_beam.core.parameters import HIDDEN
from alm_beam.core.path_parameters import Folder, Paths
from alm_beam.core.run_config import RunConfig
from alm_beam.core.text import visible
from alm_beam.storage.connections import StorageOptions
from alm_beam.storage.discovery import MANIFESTS, InputError, Manifest, find_manifests
from alm_beam.storage.found_runs import jobs_in
from alm_beam.storage.options import StorageOptionsError, options_by_protocol
from alm_beam.storage.paths import located
from alm_beam.storage.reserved_names import is_reserved
from alm_beam.storage.run_folder import RunFolder, why_unfit
from alm_beam.storage.search import Search
from alm_beam.storage.secrets import redacted, shown
from alm_beam.storage.spool import Spool


def places_of(config: RunConfig) -> list[tuple[str, str]]:
    """The paths and URLs that a run is told, each with the name of its parameter."""
    parameters, found = config.every_parameter(), list[tuple[str, str]]()
    for name, value in config.parameters().items():
        if isinstance(parameters[name], Paths):
            found += ((name, each) for each in value)
        elif isinstance(parameters[name], Folder) and value is not None:
            found.append((name, value))
    return found


def storage_options(given: Mapping[str, Any], urls: Sequence[str]) -> StorageOptions:
    """fsspec's options by protocol.

    Raises:
        ConfigError: they are malformed. The message shows none of them.
    """
    try:
        return options_by_protocol(given, urls)
    except (StorageOptionsError, ImportError, ValueError) as error:
        raise ConfigError("storage_options", HIDDEN, str(error)) from None


def checked_folder(folder: RunFolder, *, overwrite: bool) -> RunFolder:
    """The run's folder, by its absolute path or its URL.

    Raises:
        ConfigError: it cannot take the run.
    """
    url = folder.url

    def refused(why: str) -> ConfigError:
        return ConfigError("output", shown(url), why)

    if why := why_unfit(url):
        raise refused(why)
    try:
        others = [job for job in jobs_in(url, folder.options) if job != folder.outputs.job]
        if others:
            why = f"holds a run of alm-beam {others[0]}, and the files of two jobs would stand side by side"
            raise refused(f"{why}; name another folder, or remove that run")
        if folder.finished_at() is not None and not overwrite:
            raise refused("holds a finished run; name another folder, or give --overwrite")
        place = located(url, folder.options)
        path = place.url(place.path)
    except ConfigError:
        raise
    except (ValueError, ImportError, OSError) as error:
        raise refused(f"cannot be used ({redacted(str(error))})") from None
    if why := why_unfit(path):
        raise refused(why)
    if os.path.isfile(path):
        raise refused("is a file; it must be a folder")
    return RunFolder(path, folder.outputs, folder.options)


def found_manifests(
    inputs: Sequence[str], folder: RunFolder, spool: Spool | None, searched: Search = MANIFESTS
) -> list[Manifest]:
    """The manifests that the inputs name, of which a folder is searched so.

    `spool` keeps what pipes give; without one they are refused.

    Raises:
        InputError: they name none, or one that cannot be read.
        ConfigError: the run would write where it reads.
    """
    try:
        manifests = find_manifests(inputs, folder.options, spool, searched)
        is_inside = folder.is_inside_input(inputs, searched)
    except ConfigError:
        raise
    except (ValueError, OSError) as error:
        raise InputError(",".join(map(shown, inputs)), f"cannot be read ({redacted(str(error))})") from None
    if folder.holds_any(manifests):
        why = "holds an input that is a file of an earlier run; the new run would replace it"
        raise ConfigError("output", folder.url, why)
    if is_inside:
        raise ConfigError("output", folder.url, "is inside an input folder or glob; a run would read what it writes")
    return manifests


def check_audio_root(audio_root: str | None) -> None:
    """
    Raises:
        ConfigError: it is to be a folder of this machine, and there is none.
    """
    if audio_root is not None and "://" not in audio_root and not os.path.isdir(audio_root):
        raise ConfigError("audio_root", audio_root, "there is no such folder")


def absolute_root(audio_root: str | None) -> str:
    """The folder that relative paths of audio files are below, as it is from any working directory."""
    return audio_root if audio_root and "://" in audio_root else os.path.abspath(audio_root or "")


def refuse_file_of_others(folder: RunFolder, parameter: str, name: str) -> None:
    """
    Args:
        folder: the run's.
        parameter: what the name was told as.
        name: of a file.

    Raises:
        ConfigError: jobs write a file of the name, or the folder holds one, and no run has left it there.
    """
    if is_reserved(name):
        raise ConfigError(parameter, visible(name), "is a name that files or folders of runs have; give another one")
    try:
        is_of_others = folder.holds([name]) and name not in folder.named_files()
    except OSError as error:
        raise ConfigError("output", shown(folder.url), f"cannot be used ({redacted(str(error))})") from None
    if is_of_others:
        why = f"holds {visible(name)}, which no run of this job has left there, and which a run would replace"
        raise ConfigError("output", shown(folder.url), f"{why}; name another folder, or move it away")
