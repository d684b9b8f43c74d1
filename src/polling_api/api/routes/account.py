"""The addresses of what clients have besides jobs, and what the OpenAPI document says of each."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Header, Path, Query, Request, Response

from polling_api.api import account_documents as documents
from polling_api.api.account_shapes import (
    ClientDocument,
    KeyListDocument,
    MadeKeyDocument,
    TokenDocument,
)
from polling_api.api.admission import Door, admission_of
from polling_api.api.checked import CheckedRoute, behind
from polling_api.api.limits import RouteLimiter
from polling_api.api.parameters import AuditFields, ClientFields, Fields, KeyFields, Limit
from polling_api.api.routes.access_tokens import AccessTokensEndpoint
from polling_api.api.routes.audit import AuditEndpoint
from polling_api.api.routes.keys import KeysEndpoint
from polling_api.api.routes.listing import ListEndpoint
from polling_api.api.routes.whoami import WhoamiEndpoint
from polling_api.api.shapes import AuditListDocument, JobListDocument, PartialDocument

EXAMPLE_MOMENT = "2026-11-23T09:00:00Z"
READ = ["GET", "HEAD"]

JOBS = "/api/v1/batch-status"
AUDIT = "/api/v1/audit"
WHOAMI = "/api/v1/whoami"
KEYS = "/api/v1/keys"
ACCESS_TOKENS = "/api/v1/access-tokens"

KeyId = Annotated[str, Path(description="The key's id: `key_` and 32 hexadecimal digits.")]
PageCursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]


class AccountEndpoints(NamedTuple):
    """What answers the calls."""

    whoami: WhoamiEndpoint
    keys: KeysEndpoint
    access_tokens: AccessTokensEndpoint
    jobs: ListEndpoint
    audit: AuditEndpoint


def account_router(endpoints: AccountEndpoints, door: Door, limiter: RouteLimiter) -> APIRouter:
    """The routes that clients alone may call.

    Args:
        endpoints: what answers.
        door: says who calls.
        limiter: of these routes alone.
    """
    router = APIRouter(tags=["clients"], route_class=behind(door, CheckedRoute))
    _add_whoami(router, endpoints.whoami, limiter)
    _add_keys(router, endpoints.keys, limiter)
    _add_tokens(router, endpoints.access_tokens, limiter)
    add_jobs(router, endpoints.jobs, limiter)
    _add_audit(router, endpoints.audit, limiter)
    return router


def _add_whoami(router: APIRouter, endpoint: WhoamiEndpoint, limiter: RouteLimiter) -> None:
    @router.api_route(
        WHOAMI,
        methods=READ,
        response_model=ClientDocument | PartialDocument,
        responses=documents.WHOAMI,
        summary="Who signs?",
    )
    @limiter.hourly()
    async def whoami(  # pyright: ignore[reportUnusedFunction]
        request: Request, fields: ClientFields = None
    ) -> Response:
        """The client whose key signed the request, and what it may do."""
        return await endpoint(request, fields)


def _add_keys(router: APIRouter, endpoint: KeysEndpoint, limiter: RouteLimiter) -> None:
    @router.api_route(KEYS, methods=READ, response_model=KeyListDocument, responses=documents.KEYS, summary="List keys")
    @limiter.hourly()
    async def list_keys(  # pyright: ignore[reportUnusedFunction]
        request: Request, fields: KeyFields = None, cursor: PageCursor = None, limit: Limit = 100
    ) -> Response:
        """The client's keys, the newest first, those that have ended too."""
        return await endpoint.list(request, cursor=cursor, limit=limit, fields=fields)

    @router.post(
        KEYS,
        status_code=201,
        response_model=MadeKeyDocument,
        responses=documents.MADE_KEY,
        openapi_extra=documents.NEW_KEY_BODY,
        summary="Make a key",
    )
    @limiter.hourly()
    async def create_key(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        """Make a key beside the one that signs.

        It lives no longer than the one that makes it, and ends with that one when it is revoked.
        """
        return await endpoint.create(request)

    @router.post(
        f"{KEYS}/{{key_id}}/rotate",
        status_code=201,
        response_model=MadeKeyDocument,
        responses=documents.ROTATED_KEY,
        openapi_extra=documents.ROTATION_BODY,
        summary="Replace a key",
    )
    @limiter.hourly()
    async def rotate_key(request: Request, key_id: KeyId) -> Response:  # pyright: ignore[reportUnusedFunction]
        """Make a key's successor; the old one ends after the overlap, and until then both are good."""
        return await endpoint.rotate(request, key_id)

    @router.delete(
        f"{KEYS}/{{key_id}}", status_code=204, response_model=None, responses=documents.REVOKED_KEY, summary="End a key"
    )
    @limiter.hourly()
    async def revoke_key(request: Request, key_id: KeyId) -> Response:  # pyright: ignore[reportUnusedFunction]
        """End a key at once, with the keys and access tokens that it made; on every node within 5 s."""
        return await endpoint.revoke(request, key_id)


def _add_tokens(router: APIRouter, endpoint: AccessTokensEndpoint, limiter: RouteLimiter) -> None:
    @router.post(
        ACCESS_TOKENS,
        status_code=201,
        response_model=TokenDocument,
        responses=documents.MADE_TOKEN,
        openapi_extra=documents.NEW_TOKEN_BODY,
        summary="Make an access token",
    )
    @limiter.hourly()
    async def create_access_token(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        """Let somebody read some of your jobs, or all of them, without a key: a page in a browser, say.

        The token is good for `/api/v1/jobs` and what is below it, until it ends, or the key that made it does.
        """
        return await endpoint(request)


def add_jobs(router: APIRouter, endpoint: ListEndpoint, limiter: RouteLimiter) -> None:
    """Add the list of a client's jobs to a router whose door says who the client is."""

    @router.api_route(
        JOBS, methods=READ, response_model=JobListDocument, responses=documents.LIST, summary="List your jobs"
    )
    @limiter.hourly()
    async def list_jobs(  # pyright: ignore[reportUnusedFunction]
        request: Request,
        status: Annotated[
            # With the others it stays below the number of parameters that any request may have.
            list[str] | None,
            Query(max_length=16, description="Only in these statuses; repeated, or divided by commas."),
        ] = None,
        created_after: Annotated[
            str | None, Query(description="Only those made after this moment (RFC 3339).", examples=[EXAMPLE_MOMENT])
        ] = None,
        fields: Fields = None,  # noqa: ARG001 - read by the endpoint
        cursor: PageCursor = None,
        limit: Limit = 100,
        if_none_match: Annotated[str | None, Header(description="The `ETag` of the page you have seen.")] = None,  # noqa: ARG001 - read by the endpoint
    ) -> Response:
        """The client's jobs, the newest first. With the `ETag` of a page it is `304` while nothing on it changes."""
        caller = admission_of(request.scope).caller
        return await endpoint(
            caller.client_id or "",
            request.scope,
            status=status or (),
            created_after=created_after,
            cursor=cursor,
            limit=limit,
        )


def _add_audit(router: APIRouter, endpoint: AuditEndpoint, limiter: RouteLimiter) -> None:
    @router.api_route(
        AUDIT, methods=READ, response_model=AuditListDocument, responses=documents.AUDIT, summary="Read your audit log"
    )
    @limiter.hourly()
    async def read_audit(  # pyright: ignore[reportUnusedFunction]
        request: Request, fields: AuditFields = None, cursor: PageCursor = None, limit: Limit = 100
    ) -> Response:
        """Who read the client's results, and made or ended its keys and tokens; and what was refused to it."""
        caller = admission_of(request.scope).certain()
        return await endpoint(caller, cursor, limit, fields=fields)
