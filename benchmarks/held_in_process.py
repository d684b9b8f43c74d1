"""What streams and waits take beside plain ASGI, without sockets between: to be opened, told and woken.

`open_streams.py`, `fan_out.py` and `wake_waiters.py` measure the same over sockets, and need a quiet machine; this one
does not.
"""

import typer
from stand.alone import run_alone


def main(
    turns: int = typer.Option(60, help="Of each kind; the least counts."),
    profile: str = typer.Option("", help="`opened`, `event` or `woken`: measure it alone, and say where time goes."),
) -> None:
    """Measure."""
    run_alone("held_turns", turns, profile)


if __name__ == "__main__":
    typer.run(main)
