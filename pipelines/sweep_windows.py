"""Launches the job that computes windows in many ways: manifests in, and what each way gives out."""

from alm_beam.cli.process import run_process

if __name__ == "__main__":
    run_process("alm_beam.cli.sweep")
