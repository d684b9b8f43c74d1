"""The schema comes and goes as the migrations say, and is what the code believes."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from polling_api.store import migrate
from polling_api.store.engine import driver_url
from polling_api.store.tables import belongs_to_the_schema, metadata

# Columns with their defaults, constraints, indexes and storage parameters, each as Postgres itself words it. Partitions
# come and go with time, and are like the tables they belong to.
CATALOG = """
SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull
       || coalesce(' ' || col_description(c.oid, a.attnum), '') || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relname <> 'alembic_version'
UNION ALL
SELECT 'constraint', relname, conname, pg_get_constraintdef(pg_constraint.oid)
FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE connamespace = 'public'::regnamespace AND NOT relispartition AND relname <> 'alembic_version'
UNION ALL
SELECT 'index', tablename, indexname, indexdef
FROM pg_indexes JOIN pg_class ON oid = format('%I.%I', schemaname, tablename)::regclass
WHERE schemaname = 'public' AND NOT relispartition AND tablename <> 'alembic_version'
UNION ALL
SELECT 'options', relname, relkind::text, coalesce(pg_get_partkeydef(oid), reloptions::text) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S') AND NOT relispartition
      AND relname <> 'alembic_version'
ORDER BY 1, 2, 3
"""


async def catalog(url: str) -> list[tuple[Any, ...]]:
    return await on_a_connection(url, lambda connection: connection.execute(text(CATALOG)).all())


async def on_a_connection(url: str, action: Callable[[Connection], Any]) -> Any:
    engine = create_async_engine(driver_url(url), poolclass=NullPool)
    async with engine.begin() as connection:
        return await connection.run_sync(action)


def upgrade_in_another_process(url: str) -> None:
    program = "import sys; from polling_api.store import migrate; migrate.upgrade(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, url], check=True, timeout=60)  # noqa: S603


async def test_up_down_and_up_again_leaves_the_same_schema(empty_postgres_url: str) -> None:
    await asyncio.to_thread(migrate.upgrade, empty_postgres_url)
    first = await catalog(empty_postgres_url)
    await asyncio.to_thread(migrate.downgrade, empty_postgres_url, "base")
    between = await catalog(empty_postgres_url)
    await asyncio.to_thread(migrate.upgrade, empty_postgres_url)

    assert len(first) > 50
    assert between == []
    assert await catalog(empty_postgres_url) == first


async def test_upgrading_again_changes_nothing(postgres_url: str) -> None:
    before = await catalog(postgres_url)

    await asyncio.to_thread(migrate.upgrade, postgres_url)

    assert await catalog(postgres_url) == before


async def test_alembic_finds_no_difference_to_the_tables_of_the_code(postgres_url: str) -> None:
    def compare(connection: Connection) -> Any:
        context = MigrationContext.configure(connection, opts={"include_name": belongs_to_the_schema})
        return compare_metadata(context, metadata)

    assert await on_a_connection(postgres_url, compare) == []


async def test_the_migrations_make_the_very_tables_of_the_code(postgres_url: str) -> None:
    migrated = await catalog(postgres_url)

    def make_anew(connection: Connection) -> None:
        metadata.drop_all(connection)
        metadata.create_all(connection)

    await on_a_connection(postgres_url, make_anew)

    assert await catalog(postgres_url) == migrated


async def test_processes_that_migrate_at_once_wait_for_each_other(empty_postgres_url: str) -> None:
    await asyncio.to_thread(migrate.downgrade, empty_postgres_url, "base")

    await asyncio.gather(*(asyncio.to_thread(upgrade_in_another_process, empty_postgres_url) for _ in range(3)))

    assert len(await catalog(empty_postgres_url)) > 50


A_VERSION = """
INSERT INTO transitions (job_id, version, status, status_version, completed, failed, expired, cancelled, poll_after,
                         updated_at)
VALUES (:id, 1, 'queued', 1, 0, 0, 0, 0, 1, now())
"""
XIDS = "SELECT xid::text, pg_relation_filenode('transitions') FROM transitions ORDER BY job_id"


async def test_versions_from_before_transactions_were_noted_stay_as_they_are_and_later_ones_note_theirs(
    empty_postgres_url: str,
) -> None:
    def insert(connection: Connection, job_id: str) -> Any:
        connection.execute(text(A_VERSION), {"id": job_id})
        return connection.scalar(text("SELECT pg_current_xact_id()::text"))

    def filenode(connection: Connection) -> Any:
        return connection.scalar(text("SELECT pg_relation_filenode('transitions')"))

    await asyncio.to_thread(migrate.downgrade, empty_postgres_url, "base")
    await asyncio.to_thread(migrate.upgrade, empty_postgres_url)
    await asyncio.to_thread(migrate.downgrade, empty_postgres_url, "0003")
    await on_a_connection(empty_postgres_url, lambda connection: insert(connection, "job_1"))
    before = await on_a_connection(empty_postgres_url, filenode)

    await asyncio.to_thread(migrate.upgrade, empty_postgres_url)
    xid = await on_a_connection(empty_postgres_url, lambda connection: insert(connection, "job_2"))

    rows = await on_a_connection(empty_postgres_url, lambda connection: connection.execute(text(XIDS)).all())
    assert rows == [(None, before), (xid, before)]  # the same file: no row was written anew


async def test_where_no_migrations_are_found_it_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        migrate.configuration("postgresql://localhost/", places=(tmp_path,))
