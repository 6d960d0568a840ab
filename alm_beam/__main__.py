"""`python -m alm_beam` is `alm-beam`."""

from alm_beam.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
