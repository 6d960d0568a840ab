"""Launches the main job: manifests in, training windows out."""

from alm_beam.cli.windows import main

if __name__ == "__main__":
    raise SystemExit(main())
