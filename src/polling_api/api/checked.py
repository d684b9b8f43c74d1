"""Routes that check of every request what no endpoint should have to."""

from typing import Any, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi.datastructures import DefaultPlaceholder
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from polling_api.api.admission import Door, admitted
from polling_api.api.codings import accepted_codings
from polling_api.api.negotiation import preferred, require_plain
from polling_api.api.requests import header, once
from polling_api.errors import FieldError, Invalid, NotAcceptable

OK, NO_CONTENT = 200, 204
_READING = frozenset({"GET", "HEAD"})
# Of the scope. It has 13 members of the server's own, and from the 22nd on takes 400 bytes more of each open stream.
ROUTE = "polling.route"  # the `CheckedRoute` that answers
TRANSPORT = "polling.transport"  # how it answers, where that is not the route's own way: `wait`
MEDIA_TYPE = "polling.media_type"  # what of all that the route can make the caller likes best, where it makes several


class CheckedRoute(APIRoute):
    """A route that refuses unacceptable answers, compressed bodies, and parameters that say two things.

    Attributes:
        door: says who makes a request, before anything else of it is looked at; None where that does not matter.
        transport: how it answers, for the figures: `call`, `poll` or `stream`.
        coded: whether its answers may be compressed. Those of a method that changes something are not: they may hold a
            one-time secret beside text of somebody else's.
        coded_within: whether the endpoint sees to that itself, but for its refusals.
    """

    door: Door | None = None
    transport = "call"
    coded: bool = False
    coded_within = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        made = self.response_class
        kind = made.value if isinstance(made, DefaultPlaceholder) else made
        also: dict[str, Any] = self.responses.get(OK, {}).get("content", {})
        self.coded = self.coded or set(self.methods or ()) <= _READING
        # The media types of its answers, the usual one first; none where they have no body.
        self.made: tuple[str, ...] = () if self.status_code == NO_CONTENT else (kind.media_type or "", *also)
        self._parameters = frozenset(
            parameter.alias
            for parameter in self.dependant.query_params
            if not _is_list(parameter.field_info.annotation)
        )

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI).

        Raises:
            NotAcceptable: `Accept` excludes what is made here.
            Unsupported: the body is compressed.
            Unauthenticated: the door lets nobody pass who makes this request.
            Invalid: a parameter is repeated that is no list.
        """
        if scope["method"] in self.methods:
            scope[ROUTE] = self
            if self.door is not None:
                admission = await admitted(self.door, scope, receive)
                receive = admission.receive or receive
            self.require_acceptable(scope)
            require_plain(header(scope, b"content-encoding"))
            self._require_once(scope["query_string"])
        await super().handle(scope, receive, send)

    def require_acceptable(self, scope: Scope) -> None:
        """Let the request pass whose `Accept` does not exclude all that is made here; note which it likes best.

        Raises:
            NotAcceptable: it does; or `Accept-Encoding` excludes all codings that it can be sent in.
        """
        if self.made:
            best = once(scope, self._preferred)
            if len(self.made) > 1:
                scope[MEDIA_TYPE] = best

    def _preferred(self, scope: Scope) -> str:
        accepted = accepted_codings(scope)
        if not (accepted.plain or (self.coded and accepted.best)):
            raise NotAcceptable("`Accept-Encoding` excludes every coding that this answer is sent in.")
        return preferred(header(scope, b"accept"), *self.made)

    def _require_once(self, query: bytes) -> None:
        names = [name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)] if query else []
        repeated = sorted(name for name in self._parameters if names.count(name) > 1)
        if repeated:
            raise Invalid(
                f"`{repeated[0]}` is given more than once, and only one can be meant.",
                errors=[FieldError(f"?{name}", "given more than once") for name in repeated],
            )


class ReadingRoute(CheckedRoute):
    """A route that changes nothing, whatever its method says."""

    coded = True


def _is_list(annotation: Any) -> bool:
    return list in (get_origin(annotation), *map(get_origin, get_args(annotation)))


Kind = TypeVar("Kind", bound=CheckedRoute)


def behind(door: Door, kind: type[Kind]) -> type[Kind]:
    """Routes of a kind that only `door` leads to."""
    guarded: type[Any] = type(kind.__name__, (kind,), {"door": door})
    return guarded
