"""The index of cuts: its format, and how it is built, merged, opened and verified."""
