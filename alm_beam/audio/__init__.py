"""Audio files: opened, read in blocks, measured. No Beam."""
