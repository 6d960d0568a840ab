"""The jobs: one file each builds and runs its graph; `launch` holds what all of them share."""
