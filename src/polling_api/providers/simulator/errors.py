"""Errors as OpenAI's API tells them."""


class ApiError(Exception):
    """An answer that is no success.

    Args:
        status: of HTTP.
        message: one sentence for a person.
        code: for programs.
        param: the parameter that is wrong.
        kind: what the wire calls `type`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
