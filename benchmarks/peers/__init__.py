"""Others and we on the same inputs."""
