"""Launches the job that measures audio: manifests in, the same manifests out with what their audio files say."""

from alm_beam.cli.measure import main
from alm_beam.cli.output import exit_with

if __name__ == "__main__":
    exit_with(main)
