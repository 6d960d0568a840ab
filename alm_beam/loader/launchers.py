"""Whether a launcher started this process as one of several, as the environment of the process says."""

import os
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_RANKS_AND_SIZES = (
    ("RANK", "WORLD_SIZE"),  # torchrun, DeepSpeed, Accelerate, Kubeflow
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI, Flux, srun --mpi=pmi2
)
"""By launcher, the variables that state the number of this process and the number of all processes."""

_FIRST_SPECIAL_STEP = 0xFFFF_FFF0
"""Steps of Slurm with this number or a higher one have one process: a batch script, the shell of salloc.

A batch script may have the number of tasks of another step, in which it was submitted.
"""


class Launched(NamedTuple):
    """What shows that there are several processes.

    Attributes:
        processes: how many, in words.
        told_by: the variable, or whatever else says so.
        rank: the expression that gives the number of this process.
        world_size: the expression that gives the number of all processes; `...` where none is known.
    """

    processes: str
    told_by: str
    rank: str
    world_size: str = "..."


def launched_with_others() -> Launched | None:
    """What shows that this process is one of several; None where nothing does."""
    return next(_signs(os.environ), None) or _torch_distributed()


def _signs(environment: Mapping[str, str]) -> Iterator[Launched]:
    for rank, size in (*_RANKS_AND_SIZES, *_of_slurm(environment)):
        number, count = _number(environment, rank), _number(environment, size)
        if count > 1:
            yield Launched(f"{count} processes", size, _expression(rank), _expression(size))
        elif number >= max(count, 1):
            yield Launched("several processes", f"{rank}={number}", _expression(rank))


def _of_slurm(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """The two variables of a process that `srun` started; none in a batch script, which is one process.

    SLURM_NTASKS alone proves nothing: in a batch script it is the number of tasks that the job may start.
    """
    if _number(environment, "SLURM_STEP_ID") >= _FIRST_SPECIAL_STEP:
        return []
    are_all_of_step = "SLURM_STEP_ID" in environment and "SLURM_STEP_NUM_TASKS" not in environment
    return [("SLURM_PROCID", "SLURM_NTASKS" if are_all_of_step else "SLURM_STEP_NUM_TASKS")]


def _torch_distributed() -> Launched | None:
    distributed = sys.modules.get("torch.distributed")
    if not (distributed and distributed.is_available() and distributed.is_initialized()):
        return None
    count = distributed.get_world_size()
    if count < 2:
        return None
    name = "torch.distributed"
    return Launched(f"{count} processes", name, f"{name}.get_rank()", f"{name}.get_world_size()")


def _number(environment: Mapping[str, str], name: str) -> int:
    """What the variable states; 0 if it states no number."""
    text = environment.get(name, "").strip()
    return int(text) if len(text) < 20 and text.isdecimal() else 0


def _expression(name: str) -> str:
    return f'int(os.environ["{name}"])'
