"""Stores that tests share: a server of each kind for each process of pytest, started when a test asks for it.

With --no-skips a run in which anything was skipped has failed: for environments that have all that the tests can use.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from alm_beam.storage.connections import close_connections
from tests.servers.stores import Store, serving

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail when anything is skipped")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and session.config.getoption("no_skips") and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


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
