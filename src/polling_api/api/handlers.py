"""Every error that FastAPI or Starlette would tell in its own way, told as a problem."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from slowapi.errors import RateLimitExceeded
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polling_api.api.allowed import OPTIONS, WHOLE_SERVICE, allowed_methods, options
from polling_api.api.answers import Answer
from polling_api.api.guard import note_missed
from polling_api.api.held import send_whole
from polling_api.api.limits import refusal_of
from polling_api.api.ownership import no_such_job
from polling_api.api.problems import problem
from polling_api.errors import FieldError, Invalid, PollingError

_CODES = {404: "not_found", 405: "method_not_allowed"}


class AnswerResponse(Response):
    """An `Answer` where the framework wants a `Response`."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(status_code=answer.status)
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it (ASGI)."""
        await send_whole(self._answer, scope, send)


def add_problem_handlers(app: FastAPI, sets: Collection[str], unrouted: Callable[[Scope], None] | None = None) -> None:
    """Have `app` tell all errors as problems, and answer `OPTIONS`.

    Args:
        app: the application.
        sets: the paths below which every address is a job's.
        unrouted: asked to let a request pass that no route takes; raises what it is told instead.
    """
    app.add_exception_handler(PollingError, _tell_ours)
    app.add_exception_handler(RequestValidationError, _tell_broken_rules)
    app.add_exception_handler(RateLimitExceeded, _tell_limit)
    app.add_exception_handler(HTTPException, partial(_tell_refusal, tuple(f"{path}/" for path in sets), unrouted))


async def _tell_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, PollingError)  # noqa: S101 - Starlette types every handler alike
    return AnswerResponse(problem(error, request.scope))


async def _tell_broken_rules(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - Starlette types every handler alike
    broken = [FieldError(_pointer(one["loc"]), one["msg"]) for one in error.errors()]
    detail = f"`{broken[0].pointer}`: {broken[0].message}."
    return AnswerResponse(problem(Invalid(detail, errors=broken), request.scope))


async def _tell_limit(request: Request, _: Exception) -> Response:
    return AnswerResponse(problem(refusal_of(request.scope), request.scope))


async def _tell_refusal(
    jobs: tuple[str, ...], unrouted: Callable[[Scope], None] | None, request: Request, error: Exception
) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette types every handler alike
    method, path = request.method, request.scope["path"]
    if unrouted is not None and method != OPTIONS:
        try:
            unrouted(request.scope)
        except PollingError as refusal:
            return AnswerResponse(problem(refusal, request.scope))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return _tell_methods(request, error)
    if (method, path) == (OPTIONS, WHOLE_SERVICE):
        return AnswerResponse(options(b"DELETE, GET, HEAD, OPTIONS, POST"))
    if error.status_code == HTTPStatus.NOT_FOUND and path.startswith(jobs):
        # No route fits, since the id has a slash in it or is empty; an id like any other that was never given out.
        note_missed(request.scope, [path])
        return AnswerResponse(problem(no_such_job(), request.scope))
    ours = PollingError(error.detail, code=_CODES.get(error.status_code, "bad_request"))
    headers = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    return AnswerResponse(problem(ours, request.scope, status=error.status_code, headers=headers))


def _tell_methods(request: Request, error: HTTPException) -> Response:
    allow = allowed_methods(request.app.routes, request.scope["path"])
    if request.method == OPTIONS:
        return AnswerResponse(options(allow))
    ours = PollingError(error.detail, code=_CODES[error.status_code])
    return AnswerResponse(problem(ours, request.scope, status=error.status_code, headers=[(b"allow", allow)]))


def _pointer(location: Sequence[Any]) -> str:
    place, *names = location
    path = "/".join(map(str, names))
    return f"?{path}" if place == "query" else f"/{path}"
