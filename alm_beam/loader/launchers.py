"""Whether a launcher started this process as one of several, as the environment of the process says."""

import os
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_RANKS_AND_SIZES = (
    ("RANK", "WORLD_SIZE"),  # torchrun, DeepSpeed, Accelerate, Kubeflow
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI, Flux, srun --mpi=pmi2
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),  # MVAPICH2
    ("JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE"),  # jsrun
    ("HOROVOD_RANK", "HOROVOD_SIZE"),  # horovodrun
)
"""By launcher, the variables that state the number of this process and the number of all processes."""

_OTHER_SIZES = ("MPI_LOCALNRANKS", "PALS_LOCAL_SIZE")
"""Numbers of processes on one machine: of Intel MPI and MPICH, and of Cray's PALS."""

_OTHER_RANKS = ("PMIX_RANK", "PALS_RANKID", "ALPS_APP_PE", "FLUX_TASK_RANK")
"""Numbers of this process, from launchers that state no number of all processes."""

_SEVERAL = "several processes"

_FIRST_SPECIAL_STEP = 0xFFFF_FFF0
"""Steps of Slurm with this number or a higher one have one process: a batch script, the shell of salloc."""


class Launched(NamedTuple):
    """What shows that there are several processes.

    Attributes:
        processes: how many, in words.
        told_by: the variable, or whatever else says so.
        rank: the expression that gives the number of this process; `...` where none is known.
        world_size: the expression that gives the number of all processes.
    """

    processes: str
    told_by: str
    rank: str = "..."
    world_size: str = "..."


def launched_with_others() -> Launched | None:
    """What shows that this process is one of several; None where nothing does."""
    return next(_signs(os.environ), None) or _torch_distributed()


def _signs(environment: Mapping[str, str]) -> Iterator[Launched]:
    for rank, size in (*_RANKS_AND_SIZES, *_slurm_step(environment)):
        number, count = _number(environment, rank), _number(environment, size)
        if count > 1:
            yield Launched(f"{count} processes", size, _expression(rank), _expression(size))
        elif number >= max(count, 1):
            yield Launched(_SEVERAL, f"{rank}={number}", _expression(rank))
    for size in _OTHER_SIZES:
        if _number(environment, size) > 1:
            yield Launched(_SEVERAL, f"{size}={_number(environment, size)}")
    for rank in _OTHER_RANKS:
        if _number(environment, rank) > 0:
            yield Launched(_SEVERAL, f"{rank}={_number(environment, rank)}", _expression(rank))
    if "FLUX_TASK_RANK" in environment and _number(environment, "FLUX_JOB_SIZE") > 1:
        machines = f"FLUX_JOB_SIZE={_number(environment, 'FLUX_JOB_SIZE')}"
        yield Launched(_SEVERAL, machines, _expression("FLUX_TASK_RANK"))


def _slurm_step(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """The variables of the tasks that `srun` started; none in a batch script, which is one process.

    SLURM_NTASKS alone proves nothing: in a batch script it is the number of tasks that the job may start.
    """
    step = environment.get("SLURM_STEP_ID") or environment.get("SLURM_STEPID") or ""
    if step and (not step.isdecimal() or int(step) >= _FIRST_SPECIAL_STEP):
        return []
    if "SLURM_STEP_NUM_TASKS" in environment:
        return [("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")]
    if step or _number(environment, "SLURM_PROCID") > 0:
        return [("SLURM_PROCID", "SLURM_NTASKS" if "SLURM_NTASKS" in environment else "SLURM_NPROCS")]
    return []


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
