"""`polling-api clients`."""

# ruff: noqa: PLC0415 - whoever asks for another command waits for none of this

from typing import TYPE_CHECKING, Annotated, Any

import typer

from polling_api.commands.output import AsJson, tell, tell_all, tell_with_secret
from polling_api.commands.start import fail
from polling_api.domain.client import check_name, new_client_id
from polling_api.errors import Invalid

if TYPE_CHECKING:
    from polling_api.signing.vault import Vault
    from polling_api.store.clients import Client
    from polling_api.store.engine import Engine

AT_ONCE = 500  # clients in one read

app = typer.Typer(name="clients", help="Who may sign requests, and owns jobs.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="For people: 1 to 100 printable characters.")], *, as_json: AsJson = False
) -> None:
    """Make a client and its first key, and show the key's secret, this once."""
    try:
        check_name(name)
    except Invalid as error:
        fail(error.detail)
    from polling_api.commands.reach import done, new_key, reach
    from polling_api.store import clients

    async def work(engine: "Engine", vault: "Vault") -> dict[str, str]:
        new, secret = await new_key(engine, vault)
        client_id = new_client_id()
        client, key = await clients.create(engine, client_id, name, new, entry=done("client.create", client_id))
        return {"client_id": client.id, "key_id": key.id, "secret": secret}

    tell_with_secret(reach(work), as_json=as_json)


@app.command(name="list")
def list_clients(*, as_json: AsJson = False) -> None:
    """List all clients in the order in which they were made."""
    from polling_api.commands.reach import reach
    from polling_api.store import clients
    from polling_api.store.keys import Place

    async def work(engine: "Engine", _: "Vault") -> list["Client"]:
        found, some = list["Client"](), await clients.page(engine, after=None, limit=AT_ONCE)
        while some:
            found += some
            some = await clients.page(engine, after=Place(some[-1].created_at, some[-1].id), limit=AT_ONCE)
        return found

    tell_all([_told(client) for client in reach(work)], ("id", "name", "created_at"), as_json=as_json)


@app.command()
def show(client_id: Annotated[str, typer.Argument(help="As `cl_…`.")], *, as_json: AsJson = False) -> None:
    """Show one client."""
    from polling_api.commands.reach import reach
    from polling_api.store import clients

    client = reach(lambda engine, _: clients.find(engine, client_id))
    if client is None:
        fail("There is no such client.", 1)
    tell(_told(client), as_json=as_json)


@app.command()
def limit(
    client_id: Annotated[str, typer.Argument(help="As `cl_…`.")],
    hour: Annotated[
        int | None, typer.Option(min=0, max=1_000_000_000, help="Requests an hour; 0 is no limit.", show_default=False)
    ] = None,
    *,
    usual: Annotated[bool, typer.Option("--usual", help="Back to the figure that all clients have.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a client a figure of its own; a running service knows it within 5 s."""
    if (hour is None) != usual:
        fail("Say either --hour N or --usual.")
    from polling_api.commands.reach import done, reach
    from polling_api.store import clients

    entry = done("client.limit", client_id)
    client = reach(lambda engine, _: clients.set_hour(engine, client_id, hour, entry=entry))
    tell(_told(client), as_json=as_json)


def _told(client: "Client") -> dict[str, Any]:
    from polling_api.representation import timestamp

    return {
        "id": client.id,
        "name": client.name,
        "created_at": timestamp(client.created_at),
        "limits": client.limits,
        "api_version": client.api_version,
    }
