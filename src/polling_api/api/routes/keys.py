"""The keys of the client that calls: listed, made, replaced, ended."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response

from polling_api.api.account_shapes import NewKeyDocument, RotationDocument
from polling_api.api.admission import admission_of
from polling_api.api.answers import NO_STORE, VARY, Answer
from polling_api.api.auditing import entry_of
from polling_api.api.bodies import read_body
from polling_api.api.cursors import Cursors
from polling_api.api.forms import asked_fields, in_link, only
from polling_api.api.handlers import AnswerResponse
from polling_api.api.pages import page_of, place_in
from polling_api.api.positions import identifier_of, microseconds, moment_of, numbers_of
from polling_api.domain.audit import Entry
from polling_api.domain.client import KEY_ID, new_key_id
from polling_api.domain.fields import KEY
from polling_api.errors import NotFound
from polling_api.representation import timestamp
from polling_api.signing.vault import Vault, new_secret, shown
from polling_api.store.key_rows import KeyRow, NewKey
from polling_api.store.keys import Place


class Make(Protocol):
    """Makes a key, and records that it does, in one transaction."""

    def __call__(
        self, client_id: str, new: NewKey, *, expires_in: float | None, made_by: str, entry: Entry
    ) -> Awaitable[KeyRow]:
        """See `store.keys.make`."""
        ...


class Rotate(Protocol):
    """Has a new key take the place of another, and records that it does, in one transaction."""

    def __call__(
        self, key_id: str, new: NewKey, *, overlap: float, client_id: str, by: str, entry: Entry
    ) -> Awaitable[KeyRow]:
        """See `store.keys.rotate`."""
        ...


class Revoke(Protocol):
    """Ends a key with all that it has made, and records that it does, in one transaction."""

    def __call__(self, key_id: str, *, client_id: str, entry: Entry) -> Awaitable[set[str]]:
        """See `store.keys.revoke`."""
        ...


class Page(Protocol):
    """Reads keys of a client."""

    def __call__(self, client_id: str, *, after: Place | None, limit: int) -> Awaitable[list[KeyRow]]:
        """See `store.keys.page`."""
        ...


class KeyCalls(NamedTuple):
    """What the store does with keys."""

    make: Make
    rotate: Rotate
    revoke: Revoke
    page: Page


class KeysEndpoint:
    """Manages the keys of the client that calls.

    Args:
        calls: the store's.
        vault: seals secrets.
        revoked: told of keys that were ended here, for this process to refuse them from now on.
        base: the path of the list.
        cursors: by which pages follow one another.
    """

    def __init__(
        self,
        calls: KeyCalls,
        vault: Vault,
        revoked: Callable[[set[str]], None],
        base: str,
        cursors: Cursors,
    ) -> None:
        self._calls = calls
        self._vault = vault
        self._revoked = revoked
        self._base = base
        self._cursors = cursors

    async def list(self, request: Request, *, cursor: str | None, limit: int, fields: str | None) -> Response:
        """Answer with a page of the client's keys, the newest first."""
        client_id, _ = signer_of(request)
        wanted = asked_fields(KEY, fields)
        cursors = self._cursors.bound_to("keys", client_id)
        numbers = place_in(cursor, cursors)
        keys = await self._calls.page(client_id, after=None if numbers is None else _place_of(numbers), limit=limit + 1)
        return page_of(
            self._base,
            keys,
            limit,
            shown=only(key_document, wanted),
            parameter="cursor",
            place=lambda key: cursors.at([microseconds(key.created_at), *numbers_of(key.id)]),
            also=in_link(wanted),
        )

    async def create(self, request: Request) -> Response:
        """Make a key, which lives no longer than the one that makes it; its secret is told this once."""
        client_id, maker = signer_of(request)
        asked = await read_body(request, NewKeyDocument)
        new, secret = self._drawn()
        entry = entry_by_signer(request, "key.create")
        row = await self._calls.make(client_id, new, expires_in=asked.expires_in, made_by=maker, entry=entry)
        return _made(row, secret)

    async def rotate(self, request: Request, key_id: str) -> Response:
        """Make the successor of a key, which ends after the overlap."""
        client_id, maker = signer_of(request)
        asked = await read_body(request, RotationDocument)
        new, secret = self._drawn()
        row = await self._calls.rotate(
            _key_id(key_id),
            new,
            overlap=asked.overlap,
            client_id=client_id,
            by=maker,
            entry=entry_by_signer(request, "key.rotate"),
        )
        return _made(row, secret)

    async def revoke(self, request: Request, key_id: str) -> Response:
        """End a key, and all that it has made, at once."""
        client_id, _ = signer_of(request)
        entry = entry_by_signer(request, "key.revoke")
        ended = await self._calls.revoke(_key_id(key_id), client_id=client_id, entry=entry)
        self._revoked(ended)
        return AnswerResponse(Answer(204, [NO_STORE, VARY]))

    def _drawn(self) -> tuple[NewKey, bytes]:
        key_id, secret = new_key_id(), new_secret()
        return NewKey(key_id, self._vault.seal(key_id, secret)), secret


def key_document(key: KeyRow) -> dict[str, Any]:
    """The contract's key."""
    return {
        "object": "key",
        "id": key.id,
        "created_at": timestamp(key.created_at),
        "expires_at": timestamp(key.expires_at),
        "revoked_at": timestamp(key.revoked_at),
        "last_used_at": timestamp(key.last_used_at),
    }


def _made(key: KeyRow, secret: bytes) -> Response:
    body = orjson.dumps({**key_document(key), "secret": shown(secret)})
    headers = {"cache-control": "no-store", "vary": VARY[1].decode()}
    return Response(body, 201, headers=headers, media_type="application/json")


def signer_of(request: Request) -> tuple[str, str]:
    """The client that signed, and its key, on routes whose door lets nobody else pass."""
    caller = admission_of(request.scope).certain()
    assert caller.client_id is not None  # noqa: S101 - the door of these routes lets signers alone pass
    assert caller.key_id is not None  # noqa: S101
    return caller.client_id, caller.key_id


def entry_by_signer(request: Request, action: str) -> Entry:
    """What the audit log is told of something that the client that signed does to what is its own."""
    client_id, _ = signer_of(request)
    return entry_of(request.scope, admission_of(request.scope).caller, action, owner=client_id)


def _key_id(text: str) -> str:
    """The id of a key in a path; what is none was never given to a key."""
    if not KEY_ID.fullmatch(text):
        raise NotFound("There is no such key.", code="key_not_found")
    return text


def _place_of(numbers: list[int]) -> Place:
    created_at, *halves = numbers
    return Place(moment_of(created_at), identifier_of("key", *halves))
