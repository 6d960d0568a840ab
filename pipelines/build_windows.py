"""Launches the main job: manifests in, training windows out."""

from alm_beam.cli.process import run_process

if __name__ == "__main__":
    run_process("alm_beam.cli.windows")
