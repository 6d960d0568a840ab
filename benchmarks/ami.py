"""Manifests of an archive of RTTM files, such as those of the AMI corpus, by `alm-beam convert`."""

import subprocess
import sys
import tarfile
from pathlib import Path


def write_manifests(archive: Path, folder: Path) -> None:
    """Writes the manifests of an archive into a folder that does not exist yet.

    Args:
        archive: a tar archive of RTTM files, in any folders.
        folder: to write to.

    Raises:
        OSError: the archive is missing.
        ValueError: it is no archive, there is no RTTM file in it, or it cannot be converted.
    """
    rttm = folder.with_name(f"{folder.name}-rttm")
    _extract(archive, rttm)
    alm_beam("convert", "--from=rttm", f"--input={rttm}", f"--output={folder}")


def _extract(archive: Path, folder: Path) -> None:
    """Writes the RTTM files of the archive, whatever folders they are in, into one."""
    folder.mkdir()
    try:
        with tarfile.open(archive) as members:
            for member in members:
                content = members.extractfile(member) if member.name.endswith(".rttm") else None
                if content is not None:
                    (folder / Path(member.name).name).write_bytes(content.read())
    except tarfile.TarError as error:
        raise ValueError(f"{archive}: is no tar archive, or a damaged one: {error}") from error
    if not any(folder.iterdir()):
        raise ValueError(f"{archive}: no file in it ends in .rttm; give an archive of RTTM files, such as those of AMI")


def alm_beam(*arguments: str) -> None:
    """Runs the command in a process of its own.

    Raises:
        ValueError: it fails; what it said is in the message.
    """
    done = subprocess.run([sys.executable, "-m", "alm_beam", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"alm-beam {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")
