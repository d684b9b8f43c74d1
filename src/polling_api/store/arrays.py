"""Many rows as the parameters of one statement."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ARRAY, bindparam, column, func
from sqlalchemy.types import TypeEngine


class Rows:
    """A table that a statement is given: an array for each column, put side by side by `unnest`.

    Thus one statement, prepared once, serves any number of rows.
    """

    def __init__(self, name: str, **columns: TypeEngine[Any]) -> None:
        self._parameters = [f"{name}_{column_name}" for column_name in columns]
        arrays = [
            bindparam(parameter, type_=ARRAY(kind))
            for parameter, kind in zip(self._parameters, columns.values(), strict=True)
        ]
        named = [column(column_name, kind) for column_name, kind in columns.items()]
        self.table = func.unnest(*arrays).table_valued(*named).render_derived(name=name)
        self.c = self.table.c

    def bind(self, rows: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
        """The statement's parameters for these rows, whose values stand in the order of the columns."""
        arrays = list(zip(*rows, strict=True)) or [()] * len(self._parameters)
        return dict(zip(self._parameters, map(list, arrays), strict=True))
