"""What other tools write, to manifest entries and back: one module a format. Nothing here reads or writes files."""
