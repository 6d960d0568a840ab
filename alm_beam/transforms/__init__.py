"""The job's steps as Beam transforms: wiring and counters around `alm_beam.core`."""
