"""`polling-api keys`."""

# ruff: noqa: PLC0415 - whoever asks for another command waits for none of this

from typing import TYPE_CHECKING, Annotated, Any

import typer

from polling_api.commands.output import AsJson, tell_all, tell_with_secret
from polling_api.domain.client import LONGEST_LIFE, LONGEST_OVERLAP
from polling_api.errors import NotFound

if TYPE_CHECKING:
    from polling_api.signing.vault import Vault
    from polling_api.store.engine import Engine
    from polling_api.store.key_rows import KeyRow

AT_ONCE = 500  # keys in one read

app = typer.Typer(name="keys", help="The keys with which clients sign.", no_args_is_help=True)

ClientId = Annotated[str, typer.Argument(help="As `cl_…`.")]
KeyId = Annotated[str, typer.Argument(help="As `key_…`.")]


@app.command()
def create(
    client_id: ClientId,
    *,
    expires_in: Annotated[
        int | None, typer.Option(min=1, max=LONGEST_LIFE, help="Seconds until it ends; without, it does not.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make one more key for a client, and show its secret, this once."""
    from polling_api.commands.reach import done, new_key, reach
    from polling_api.store import keys

    async def work(engine: "Engine", vault: "Vault") -> dict[str, Any]:
        new, secret = await new_key(engine, vault)
        return _made(
            await keys.make(engine, client_id, new, entry=done("key.create", client_id), expires_in=expires_in), secret
        )

    tell_with_secret(reach(work), as_json=as_json)


@app.command()
def rotate(
    key_id: KeyId,
    *,
    overlap: Annotated[
        int, typer.Option(min=0, max=LONGEST_OVERLAP, help="Seconds for which the old key is good too.")
    ] = 3600,
    as_json: AsJson = False,
) -> None:
    """Have a new key take a key's place, and show its secret, this once."""
    from polling_api.commands.reach import done, new_key, reach
    from polling_api.store import keys

    async def work(engine: "Engine", vault: "Vault") -> dict[str, Any]:
        new, secret = await new_key(engine, vault)
        return _made(await keys.rotate(engine, key_id, new, overlap=overlap, entry=done("key.rotate")), secret)

    tell_with_secret(reach(work), as_json=as_json)


@app.command()
def revoke(key_id: KeyId, *, as_json: AsJson = False) -> None:
    """End a key at once, with all keys that it has made; they are refused everywhere within 5 s."""
    from polling_api.commands.reach import done, reach
    from polling_api.store import keys

    ended = reach(lambda engine, _: keys.revoke(engine, key_id, entry=done("key.revoke")))
    tell_all([{"id": one} for one in sorted(ended)], ("id",), as_json=as_json)


@app.command(name="list")
def list_keys(client_id: ClientId, *, as_json: AsJson = False) -> None:
    """List a client's keys, the newest first, those that have ended among them."""
    from polling_api.commands.reach import reach
    from polling_api.store import clients, keys
    from polling_api.store.keys import Place

    async def work(engine: "Engine", _: "Vault") -> list["KeyRow"]:
        if await clients.find(engine, client_id) is None:
            raise NotFound("There is no such client.", code="client_not_found")
        found, some = list["KeyRow"](), await keys.page(engine, client_id, after=None, limit=AT_ONCE)
        while some:
            found += some
            after = Place(some[-1].created_at, some[-1].id)
            some = await keys.page(engine, client_id, after=after, limit=AT_ONCE)
        return found

    columns = ("id", "created_at", "expires_at", "revoked_at", "last_used_at", "made_by")
    tell_all([_told(key) for key in reach(work)], columns, as_json=as_json)


def _made(key: "KeyRow", secret: str) -> dict[str, Any]:
    from polling_api.representation import timestamp

    return {
        "client_id": key.client_id,
        "key_id": key.id,
        "secret": secret,
        "expires_at": timestamp(key.expires_at),
    }


def _told(key: "KeyRow") -> dict[str, Any]:
    from polling_api.representation import timestamp

    return {
        "id": key.id,
        "created_at": timestamp(key.created_at),
        "expires_at": timestamp(key.expires_at),
        "revoked_at": timestamp(key.revoked_at),
        "last_used_at": timestamp(key.last_used_at),
        "made_by": key.made_by,
    }
