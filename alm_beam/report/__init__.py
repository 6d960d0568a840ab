"""Loss statistics for people."""
