"""Transaction ids and snapshots: types of Postgres for which SQLAlchemy has no names."""

from typing import Any

from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType


class Xid8(UserDefinedType[int]):
    """The id of a transaction, 64 bits that never wrap around; an int in Python."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Its name in SQL."""
        return "xid8"


class PgSnapshot(UserDefinedType[str]):
    """Which transactions had ended at one moment; text in Python."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Its name in SQL."""
        return "pg_snapshot"


# Or reflecting a table, as Alembic does to compare, warns of a type that it cannot name.
_reflected: dict[str, Any] = ischema_names
_reflected["xid8"] = Xid8
_reflected["pg_snapshot"] = PgSnapshot
