"""The rules: what a manifest line means, which windows it gives, which of them stay. No Beam, no I/O, no clock."""
