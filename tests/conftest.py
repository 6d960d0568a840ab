"""Stores that tests share: a server of each kind for each process of pytest, started when a test asks for it."""

from collections.abc import Iterator

import pytest

from alm_beam.storage.connections import close_connections
from tests.servers.stores import Store, serving


@pytest.fixture(autouse=True)
def _closed_connections() -> Iterator[None]:
    """A server here answers few connections at a time."""
    yield
    close_connections()


@pytest.fixture(scope="session")
def s3() -> Iterator[Store]:
    with serving("s3") as store:
        yield store


@pytest.fixture(scope="session")
def gcs() -> Iterator[Store]:
    with serving("gs") as store:
        yield store


@pytest.fixture(params=["s3", "gcs"])
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(request.param)
