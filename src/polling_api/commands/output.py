"""How commands tell what they did: for people, or as JSON for programs. Secrets go to standard output alone."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def tell(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print some facts, each on a line, or one JSON object."""
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:{width}}  {_word(value)}")


def tell_all(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print a table with these columns, or a JSON list of all that the rows hold."""
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    lines = [columns, *([_word(row[column]) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        typer.echo("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())


def tell_with_secret(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """As `tell`, and say to a person that what is secret among the facts is not shown again."""
    tell(facts, as_json=as_json)
    if not as_json:
        typer.echo("Keep the secret now, it is not shown again: the base64 of the key to sign with.", err=True)


def _word(value: Any) -> str:
    return "-" if value is None else str(value)
