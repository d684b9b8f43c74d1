"""What things may cost: `benchmarks/budgets.toml`, against which tests hold what they count."""

import tomllib
from functools import cache
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "budgets.toml"


def keep(name: str, measured: float) -> None:
    """Hold what was counted against its budget.

    Args:
        name: of the budget, as `statements.poll`.
        measured: what was counted.

    Raises:
        pytest.fail.Exception: it is over the budget, or so far under it that the budget should be lowered.
    """
    kind, _, what = name.partition(".")
    most, least = _budgets()[kind][what]
    print(f"{name}: {measured:g} ({least:g} to {most:g})")  # noqa: T201 - the figures themselves are asked for
    if measured > most:
        pytest.fail(f"{name} is {measured:g}, over its budget of {most:g} in {FILE.name}", pytrace=False)
    if measured < least:
        pytest.fail(f"{name} is only {measured:g}: lower its budget of {most:g} in {FILE.name}", pytrace=False)


@cache
def _budgets() -> dict[str, dict[str, tuple[float, float]]]:
    return tomllib.loads(FILE.read_text())
