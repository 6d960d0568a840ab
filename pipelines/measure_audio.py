"""Launches the job that measures audio: manifests in, the same manifests out with what their audio files say."""

from alm_beam.cli.process import run_process

if __name__ == "__main__":
    run_process("alm_beam.cli.measure")
