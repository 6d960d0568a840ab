"""The command `alm-beam`: one file for each of its commands."""
