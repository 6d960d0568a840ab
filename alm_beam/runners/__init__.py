"""What Beam's runners need to be told."""
