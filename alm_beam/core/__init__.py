"""The rules: what a manifest line means, which windows it gives, which of them are kept. No Beam, no I/O, no clock."""
