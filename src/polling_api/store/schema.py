"""What all tables share: where they are collected, how constraints are named, how columns are checked."""

from collections.abc import Iterable

from sqlalchemy import DateTime, MetaData, text

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

TIME = DateTime(timezone=True)
OWNED = text("client_id IS NOT NULL")
NEWEST_FIRST = (text("created_at DESC"), text("id DESC"))


def one_of(column: str, values: Iterable[str]) -> str:
    """The condition that a column holds one of some words."""
    quoted = ", ".join(f"'{value}'" for value in sorted(values))
    return f"{column} IN ({quoted})"
