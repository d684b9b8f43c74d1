"""Budgets: what is over one fails, and so does what is far under it."""

import pytest

from running.budgets import keep


def test_what_is_within_its_budget_passes() -> None:
    keep("kib.stream", 10)


def test_what_is_over_its_budget_fails_and_is_named() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"bytes\.not_modified is 451, over its budget of \d+"):
        keep("bytes.not_modified", 451)


def test_what_is_far_under_its_budget_asks_for_a_lower_one() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"kib\.stream is only 3: lower its budget of \d+"):
        keep("kib.stream", 3)
