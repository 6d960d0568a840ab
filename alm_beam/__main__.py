"""`python -m alm_beam` is `alm-beam`."""

from alm_beam.cli.main import command

if __name__ == "__main__":
    command()
