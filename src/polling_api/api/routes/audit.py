"""`GET` of a client's audit log: who did what to its jobs, keys and tokens, newest first, in pages."""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from polling_api.api.cursors import Cursors
from polling_api.api.forms import asked_fields, in_link, only
from polling_api.api.pages import page_of, place_in
from polling_api.api.positions import identifier_of, microseconds, moment_of, numbers_of
from polling_api.domain.audit import Place, Recorded
from polling_api.domain.caller import Caller
from polling_api.domain.fields import AUDIT
from polling_api.errors import Refused
from polling_api.representation import audit_document

AuditPage = Callable[[str, Place | None, int], Awaitable[list[Recorded]]]


class AuditEndpoint:
    """Pages through what concerns one client.

    Args:
        page: reads the entries of a client from before a place, or the newest, at most so many.
        cursors: by which pages follow one another.
        base: the path of this endpoint.
    """

    def __init__(self, page: AuditPage, cursors: Cursors, base: str) -> None:
        self._page = page
        self._cursors = cursors
        self._base = base

    async def __call__(self, caller: Caller, cursor: str | None, limit: int, *, fields: str | None = None) -> Response:
        """Answer with the newest entries, or with those before `cursor`, at most `limit` of them.

        Raises:
            Refused: the caller is no client that signs: a token does not reach this far.
            BadRequest: the cursor is not one of this client's log.
            Invalid: a row has no such field.
            Unavailable: the database does not answer.
        """
        if caller.client_id is None or not caller.signed:
            raise Refused("Only a client itself, by a signed request, reads its audit log.")
        wanted = asked_fields(AUDIT, fields)
        cursors = self._cursors.bound_to("audit", caller.client_id)
        numbers = place_in(cursor, cursors)
        return page_of(
            self._base,
            await self._page(caller.client_id, None if numbers is None else _place_of(numbers), limit + 1),
            limit,
            shown=only(audit_document, wanted),
            parameter="cursor",
            place=lambda entry: cursors.at([microseconds(entry.at), *numbers_of(entry.entry.id)]),
            also=in_link(wanted),
        )


def _place_of(numbers: list[int]) -> Place:
    at, *halves = numbers
    return Place(moment_of(at), identifier_of("aud", *halves))
