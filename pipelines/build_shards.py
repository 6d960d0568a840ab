"""Launches the job that writes audio shards: cuts in, and what trainers read out."""

from alm_beam.cli.output import exit_with
from alm_beam.cli.shards import main

if __name__ == "__main__":
    exit_with(main)
