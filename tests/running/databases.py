"""Databases on a server of tests."""

from sqlalchemy import NullPool, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from polling_api.embedded import Server
from polling_api.store.engine import driver_url
from running.planted import DATABASE_PASSWORD


async def cloned(server: Server, template: str, name: str) -> str:
    """Make a database like `template`, and give its address; it goes with its server, or when it is dropped."""
    await administer(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return address_of(server, name)


async def administer(server: Server, statement: str) -> None:
    """Carry out what no transaction may hold."""
    engine = create_async_engine(driver_url(server.url), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text(statement))


def address_of(server: Server, database: str) -> str:
    """Where a database is. The server asks for no password; one is given so that it can be looked for."""
    url = make_url(server.url).set(database=database, password=DATABASE_PASSWORD)
    return url.render_as_string(hide_password=False)
