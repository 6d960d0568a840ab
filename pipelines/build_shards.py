"""Launches the job that writes audio shards: cuts in, and what trainers read out."""

from alm_beam.cli.process import run_process

if __name__ == "__main__":
    run_process("alm_beam.cli.shards")
