"""What a poll takes from the first byte read to the last one written, beside plain ASGI, without sockets between.

`polls.py` measures the same over sockets, and needs a quiet machine; this one does not.
"""

import typer
from stand.alone import run_alone


def main(
    turns: int = typer.Option(1500, help="Of 16 polls, of each kind; the least counts."),
    profile: bool = typer.Option(False, help="Say too where the time goes."),  # noqa: FBT001, FBT003 - typer's way
) -> None:
    """Measure."""
    run_alone("turns", turns, "yes" if profile else "")


if __name__ == "__main__":
    typer.run(main)
