"""Launches the main job: manifests in, training windows out."""

from alm_beam.cli.output import exit_with
from alm_beam.cli.windows import main

if __name__ == "__main__":
    exit_with(main)
