"""Batches of windows: buckets by length, batches of a stream, and epochs whose batches are planned in advance."""
