"""`POST` of an access token: what a client lets somebody else see and do, without a key."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope as ASGIScope

from polling_api.api.account_shapes import NewTokenDocument
from polling_api.api.admission import admission_of
from polling_api.api.answers import VARY
from polling_api.api.auditing import entry_of
from polling_api.api.bodies import read_body
from polling_api.api.guard import note_missed
from polling_api.api.ownership import Ownership
from polling_api.api.signers import ended_meanwhile
from polling_api.domain.audit import Entry
from polling_api.domain.caller import Caller, Grant, Scope
from polling_api.errors import FieldError, NotFound
from polling_api.representation import timestamp
from polling_api.signing.keys import Key

Record = Callable[[Entry], Awaitable[None]]


class AccessTokensEndpoint:
    """Makes access tokens for the client that calls.

    Args:
        ownership: finds the jobs that a token is to name.
        find_key: the key that signed; a token does not outlive it.
        token_for: the token that says a grant.
        record: writes an entry of the audit log for good.
    """

    def __init__(
        self,
        ownership: Ownership,
        find_key: Callable[[str], Awaitable[Key | None]],
        token_for: Callable[[Grant], str],
        record: Record,
    ) -> None:
        self._ownership = ownership
        self._find_key = find_key
        self._token_for = token_for
        self._record = record

    async def __call__(self, request: Request) -> Response:
        """Answer with a token, which is told this once and kept nowhere.

        Raises:
            NotFound: one of the jobs is not there, or not the client's.
            Invalid: the body breaks a rule.
            Unavailable: it cannot be recorded now, or not be said whose the jobs are.
        """
        caller = admission_of(request.scope).certain()
        asked = await read_body(request, NewTokenDocument)
        jobs = None if asked.jobs == "all" else list(dict.fromkeys(asked.jobs))
        if jobs is not None:
            await self._require_owned(request.scope, caller, jobs)
        grant = await self._granted(caller, jobs, asked)
        await self._record(entry_of(request.scope, caller, "token.create", owner=caller.client_id))
        body = orjson.dumps(
            {
                "token": self._token_for(grant),
                "expires_at": timestamp(grant.expires_at),
                "scopes": [scope for scope in Scope if scope in grant.scopes],
                "jobs": "all" if jobs is None else jobs,
            }
        )
        headers = {"cache-control": "no-store", "vary": VARY[1].decode()}
        return Response(body, 201, headers=headers, media_type="application/json")

    async def _require_owned(self, scope: ASGIScope, caller: Caller, jobs: Sequence[str]) -> None:
        owned = await self._ownership.owned(caller, jobs)
        strange = [job_id for job_id in jobs if job_id not in owned]
        if strange:
            note_missed(scope, strange)
            errors = [FieldError(f"/jobs/{jobs.index(job_id)}", "no such job, or not yours") for job_id in strange]
            raise NotFound("A job is not there, or it is not yours.", code="job_not_found", errors=errors)

    async def _granted(self, caller: Caller, jobs: Sequence[str] | None, asked: NewTokenDocument) -> Grant:
        key = await self._find_key(caller.key_id or "")
        if key is None or caller.client_id is None:
            raise ended_meanwhile()
        ends_at = datetime.now(UTC) + timedelta(seconds=asked.expires_in)
        if key.ends_at is not None:
            ends_at = min(ends_at, key.ends_at)
        return Grant(
            id=f"tok_{secrets.token_hex(16)}",
            client_id=caller.client_id,
            key_id=key.id,
            jobs=None if jobs is None else frozenset(jobs),
            scopes=frozenset(asked.scopes),
            expires_at=ends_at.replace(microsecond=ends_at.microsecond // 1000 * 1000),  # as a token holds it
        )
