"""A loader that a launcher started several times refuses to read everything in each of the processes."""

import os
import re

import pytest

from alm_beam.loader import Partition, PartitionError, WindowLoader

BATCH = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NTASKS": "8", "SLURM_NPROCS": "8"}
"""A script that `sbatch --ntasks=8` runs: Slurm starts it once."""

TASK = {**BATCH, "SLURM_STEP_ID": "0", "SLURM_STEPID": "0", "SLURM_STEP_NUM_TASKS": "8"}
"""A task of `srun` in the same job."""

_COUNTS = [
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
]

SEVERAL = [
    *(({size: "4"}, f"4 processes ({size})") for _, size in _COUNTS),
    *(({rank: "0", size: "4"}, f"4 processes ({size})") for rank, size in _COUNTS),
    *(({rank: "3"}, f"several processes ({rank}=3)") for rank, _ in _COUNTS),
    (TASK, "8 processes (SLURM_STEP_NUM_TASKS)"),
    ({**TASK, "SLURM_PROCID": "5"}, "8 processes (SLURM_STEP_NUM_TASKS)"),
    ({**TASK, "SLURM_NTASKS": "16", "SLURM_STEP_NUM_TASKS": "2"}, "2 processes (SLURM_STEP_NUM_TASKS)"),
    ({**BATCH, "SLURM_STEP_ID": "0"}, "8 processes (SLURM_NTASKS)"),
    ({**BATCH, "SLURM_PROCID": "1"}, "several processes (SLURM_PROCID=1)"),
    ({**TASK, "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "1"}, "several processes (SLURM_PROCID=1)"),
]

ALONE = [
    BATCH,
    {**BATCH, "SLURM_STEP_ID": "4294967291"},
    {**BATCH, "SLURM_STEP_ID": "4294967291", "SLURM_STEP_NUM_TASKS": "4"},
    {**BATCH, "SLURM_STEP_ID": "4294967290", "SLURM_STEP_NUM_TASKS": "1"},
    {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_NNODES": "2"},
    {**TASK, "SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1"},
    {**TASK, "SLURM_STEP_NUM_TASKS": "1"},
    {**BATCH, "SLURM_NTASKS": "1", "SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "9"},
    *({rank: "0", size: "1"} for rank, size in _COUNTS),
    {"WORLD_SIZE": "", "PMI_SIZE": "many", "RANK": "-1"},
]
"""Batch scripts, the shell of salloc with and without a step of its own, `srun -n1`, an array of jobs, one rank."""


def named(environment) -> str:
    return ",".join(f"{name}={value}" for name, value in environment.items())


@pytest.mark.parametrize(("environment", "told"), SEVERAL, ids=[named(each) for each, _ in SEVERAL])
def test_several_processes_and_no_partition_is_an_error(cuts, monkeypatch, environment, told):
    loader = WindowLoader(cuts)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    refused = rf"this is one of {re.escape(told)} and has no partition: .* pass partition=Partition\(rank="
    with pytest.raises(PartitionError, match=refused):
        iter(loader)
    with pytest.raises(PartitionError, match=refused):
        len(loader)
    loader.partition = Partition(0, 4)
    assert len(list(loader)) == 25


@pytest.mark.parametrize("environment", ALONE, ids=named)
def test_one_process_needs_no_partition(cuts, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert len(list(WindowLoader(cuts))) == 100


def test_the_message_says_which_partition_it_is(cuts, monkeypatch):
    loader = WindowLoader(cuts)
    for name, value in {**TASK, "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PartitionError) as refused:
        iter(loader)
    expression = re.search(r"pass partition=(Partition\(.*\)), or Partition\(0, 1\) if", str(refused.value))
    assert eval(expression[1], {"Partition": Partition, "os": os}) == Partition(3, 4)
