"""Every error that FastAPI or Starlette would tell in its own way, told as a problem."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from polling_api.api.answers import Answer
from polling_api.api.held import send_whole
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
        await send_whole(self._answer, send)


def add_problem_handlers(app: FastAPI) -> None:
    """Have `app` tell all errors as problems."""
    app.add_exception_handler(PollingError, _tell_ours)
    app.add_exception_handler(RequestValidationError, _tell_broken_rules)
    app.add_exception_handler(HTTPException, _tell_refusal)


async def _tell_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, PollingError)  # noqa: S101 - Starlette types every handler alike
    return AnswerResponse(problem(error, request.scope))


async def _tell_broken_rules(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - Starlette types every handler alike
    broken = [FieldError(_pointer(one["loc"]), one["msg"]) for one in error.errors()]
    detail = f"`{broken[0].pointer}`: {broken[0].message}."
    return AnswerResponse(problem(Invalid(detail, errors=broken), request.scope))


async def _tell_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette types every handler alike
    ours = PollingError(error.detail, code=_CODES.get(error.status_code, "bad_request"))
    headers = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    return AnswerResponse(problem(ours, request.scope, status=error.status_code, headers=headers))


def _pointer(location: Sequence[Any]) -> str:
    place, *names = location
    path = "/".join(map(str, names))
    return f"?{path}" if place == "query" else f"/{path}"
