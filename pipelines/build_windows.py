"""Launches the main job: manifests in, training windows out."""

from alm_beam.jobs.windows import run

if __name__ == "__main__":
    raise SystemExit(run())
