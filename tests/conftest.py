"""Real servers for tests: one Postgres and one Redis a run, a fresh and migrated database a module."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from redis import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from polling_api.embedded import Server, start_redis
from polling_api.store.engine import connect
from running.cluster import Cluster
from running.databases import address_of, administer, cloned
from running.planted import PLANTED, REDIS_PASSWORD, fail_for
from running.redis_record import RedisRecord

TEMPLATE = "polling_template"

# No example has a deadline, and none takes too long to make up: a busy machine is not a fault.
settings.register_profile("unhurried", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """Outside pytest's own folder, which is closed to the account that Postgres runs as when root runs the tests."""
    folder = Path(tempfile.mkdtemp(prefix="polling-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def nothing_leaks(servers_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """At the end of the run nothing that was written holds a secret that was planted: see `running.planted`.

    What was written are the logs of all processes at their most talkative and of their servers, and what
    `running.witness` and `RedisRecord` have taken down.
    """
    yield
    written = [*tmp_path_factory.getbasetemp().rglob("*.log"), *servers_folder.rglob("log")]
    fail_for(PLANTED.search_files(written))


@pytest.fixture(scope="session")
def cluster(servers_folder: Path) -> Cluster:
    """A migrated Postgres that nothing runs on, for servers of a test's own: they start on copies of it."""
    return Cluster(servers_folder / "cluster")


@pytest.fixture(scope="session")
def postgres(cluster: Cluster, servers_folder: Path) -> Iterator[Server]:
    """The server itself; who freezes or restarts one has another."""
    server = cluster.server(servers_folder / "postgres")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_url(servers_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis that all tests of the run share: keep to channels and keys of your own."""
    server = start_redis(servers_folder / "redis")
    with Redis.from_url(server.url) as administering:  # pyright: ignore[reportUnknownMemberType]
        administering.config_set("requirepass", REDIS_PASSWORD)  # pyright: ignore[reportUnknownMemberType]
    path = urlsplit(server.url).path
    record = RedisRecord(path, REDIS_PASSWORD, tmp_path_factory.mktemp("redis") / "commands.log")
    yield f"unix://:{quote(REDIS_PASSWORD)}@{path}"
    record.stop()
    server.stop()


@pytest.fixture(scope="session")
async def template(postgres: Server) -> str:
    """A migrated database, cloned for each module: that takes a tenth of a second, migrating takes longer."""
    await administer(postgres, f"CREATE DATABASE {TEMPLATE} TEMPLATE postgres")
    return TEMPLATE


@pytest.fixture(scope="module")
async def postgres_url(postgres: Server, template: str) -> AsyncIterator[str]:
    """The address of a fresh, migrated database."""
    name = f"polling_{uuid4().hex[:12]}"
    yield await cloned(postgres, template, name)
    await administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
async def empty_postgres_url(postgres: Server) -> AsyncIterator[str]:
    """The address of a fresh database without a table."""
    name = f"empty_{uuid4().hex[:12]}"
    await administer(postgres, f"CREATE DATABASE {name}")
    yield address_of(postgres, name)
    await administer(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """A pool on the module's database."""
    pool = connect(
        postgres_url,
        pool_size=8,
        max_overflow=8,
        pool_timeout=10,
        statement_timeout=20,
        application_name="tests",
    )
    yield pool
    await pool.dispose()
