"""Launches the main job: manifests in, training windows out."""

from alm_beam.job import run

if __name__ == "__main__":
    raise SystemExit(run())
