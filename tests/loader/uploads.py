"""Folders of cuts in a store."""

import os

from tests.servers.stores import Store


def uploaded(store: Store, folder: str) -> str:
    """The folder in the store; its URL."""
    bucket = store.bucket()
    for path, _, names in sorted(os.walk(folder)):
        for name in sorted(names):  # the index last: nothing may be newer
            file = os.path.join(path, name)
            with open(file, "rb") as data:
                store.write(f"{bucket}/cuts/{os.path.relpath(file, folder)}", data.read())
    return f"{bucket}/cuts"
