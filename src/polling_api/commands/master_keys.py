"""`polling-api master-keys`."""

# ruff: noqa: PLC0415 - whoever asks for another command waits for none of this

import typer

app = typer.Typer(name="master-keys", help="The keys from which the service derives all its own.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `rotate` a command of its own, though there is no other yet."""


@app.command()
def rotate() -> None:
    """Seal every kept secret anew with the first of POLLING_MASTER_KEYS, beside running services.

    First every process has to know the new key: set `old,new` everywhere, then `new,old`, then run this; from then on
    `new` is enough. It can be run again at any time.
    """
    from polling_api.commands.reach import reach
    from polling_api.store import resealing

    resealed = reach(lambda engine, vault: resealing.reseal(engine, vault.resealed))
    typer.echo(f"{resealed.changed} of {resealed.seen} secrets were sealed anew with the first master key.")
