"""Secrets are compared in constant time: how long it takes must not tell how much of a guess was right."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import polling_api

SOURCES = sorted(Path(polling_api.__file__).parent.rglob("*.py"))
SECRET = re.compile(r"(?:^|_)(?:secret|token|signature|mac|digest|password|api_key|master_key|nonce|key_bytes)s?$")


def comparisons(source: str) -> Iterator[str]:
    """Each comparison by `==` or `!=` in which something stands that is named like a secret."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(isinstance(one, ast.Eq | ast.NotEq) for one in node.ops):
            sides = [node.left, *node.comparators]
            if any(SECRET.search(_name(side)) for side in sides) and not _compares_with_nothing(sides):
                yield ast.unparse(node)


def _name(side: ast.expr) -> str:
    """The last name of what is compared: of a call that of the function, `digest` of `running.digest()`."""
    match side:
        case ast.Attribute(ast.Attribute(attr="c")):
            return ""  # a column: compared by Postgres, and what it holds is sealed
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case ast.Call(function):
            return _name(function)
        case ast.Subscript(_, ast.Constant(str(name))):
            return name
        case ast.Subscript(value):
            return _name(value)
        case _:
            return ""


def _compares_with_nothing(sides: list[ast.expr]) -> bool:
    return any(isinstance(side, ast.Constant) and not side.value for side in sides)


@pytest.mark.parametrize(
    "comparison",
    [
        "given == token",
        "self._secret != given",
        "mac(secret, base) == signature",
        "running.digest() == value",
        "headers['x-token'.lower()] == 1 or settings.api_key == given",
        "settings['metrics_token'] == given",
    ],
)
def test_a_comparison_that_tells_by_its_time_is_found(comparison: str) -> None:
    assert list(comparisons(comparison))


@pytest.mark.parametrize("comparison", ["token is None", "token == ''", "hmac.compare_digest(mac, given)", "key == id"])
def test_others_are_not(comparison: str) -> None:
    assert list(comparisons(comparison)) == []


def test_no_secret_is_compared_so() -> None:
    found = [(source.name, comparison) for source in SOURCES for comparison in comparisons(source.read_text())]

    assert found == []
