"""Files and folders, local or remote, by fsspec. No Beam."""
