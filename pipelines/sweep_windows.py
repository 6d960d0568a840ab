"""Launches the job that computes windows in many ways: manifests in, and what each way gives out."""

from alm_beam.cli.output import exit_with
from alm_beam.cli.sweep import main

if __name__ == "__main__":
    exit_with(main)
