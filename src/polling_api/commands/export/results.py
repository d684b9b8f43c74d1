"""A job's results, asked of a service over HTTP."""

import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx
import msgspec

from polling_api.coding import GZIP, ZSTD, zstd
from polling_api.commands.export.caller import Caller
from polling_api.commands.export.errors import Broken, ExportError

LINES = "application/x-ndjson"
# Seconds: for a connection, and for the next piece of an answer, where two keep-alives of a stream would have come.
TIMEOUT = httpx.Timeout(10, read=30)
_WORTH_ANOTHER_TRY = frozenset({429, 500, 502, 503, 504})
_LONGEST_REFUSAL = 64 * 1024  # bytes of one that is read


_Decode = Callable[[bytes], bytes]
_DECODERS: dict[str, Callable[[], _Decode]] = {
    GZIP.name: lambda: zlib.decompressobj(31).decompress,
    ZSTD.name: lambda: zstd.ZstdDecompressor().decompress,
    "identity": lambda: bytes,
}


class Results:
    """The results of one job at a service; a context that closes its connections.

    Args:
        url: the service's address.
        caller: who asks.
        job: its id.
        outcome: only those with this one; None for all.
        compressed: whether they travel compressed.
    """

    def __init__(self, url: str, caller: Caller, job: str, outcome: str | None, *, compressed: bool) -> None:
        self._client = httpx.Client(base_url=url, auth=caller.auth, timeout=TIMEOUT)
        self._job = f"{caller.base}/{job}"
        self._path = f"{self._job}/results"
        self._outcome = outcome
        self._query = {} if outcome is None else {"outcome": outcome}
        self._codings = f"{ZSTD.name}, {GZIP.name}" if compressed else "identity"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def tag(self) -> str:
        """The entity tag of all of them, uncompressed: the same as long as they are the same.

        Raises:
            ExportError: they cannot be had: there are none, or not yet, or they are not the caller's.
            Broken: nobody can say now.
        """
        with self._asked("HEAD", "identity", {}) as answer:
            if answer.is_success:
                return answer.headers.get("etag", "")
        with self._asked("GET", "identity", {"limit": "1"}, accept="application/json") as refused:
            raise _refusal(refused)

    def count(self) -> int | None:
        """How many there are with their outcome, as the job itself says; its end line counts all of the job's.

        None where the caller's token is for results alone.

        Raises:
            ExportError, Broken: as for `tag`.
        """
        with self._asked("GET", "identity", {"fields": "progress"}, accept="application/json", of=self._job) as answer:
            told = _object_in(answer)
            if answer.is_success:
                return told["progress"][self._outcome or "total"]
            if told.get("code") == "insufficient_scope":
                return None
            raise _refusal(answer)

    def after(self, index: int | None) -> Iterator[bytes]:
        """Their lines from behind an index, or from the start, in pieces as they come.

        Raises:
            ExportError, Broken: as for `tag`; or the connection broke.
        """
        with self._asked("GET", self._codings, {} if index is None else {"after": str(index)}) as answer:
            if not answer.is_success:
                raise _refusal(answer)
            decode = _DECODERS[answer.headers.get("content-encoding", "identity")]()
            for piece in answer.iter_raw():
                yield decode(piece)

    @contextmanager
    def _asked(
        self, method: str, codings: str, query: dict[str, str], *, accept: str = LINES, of: str | None = None
    ) -> Generator[httpx.Response]:
        headers = {"Accept": accept, "Accept-Encoding": codings}
        asked = query if of else self._query | query
        try:
            with self._client.stream(method, of or self._path, params=asked, headers=headers) as answer:
                yield answer
        except httpx.TransportError as error:
            raise Broken(f"the connection broke: {error or type(error).__name__}") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ExportError(f"{self._client.base_url} is no address of a service: {error}.") from None
        except (zlib.error, zstd.ZstdError) as error:
            raise Broken(f"what came cannot be decompressed: {error}") from None


def _refusal(answer: httpx.Response) -> ExportError | Broken:
    problem = _object_in(answer)
    detail = problem.get("detail") or f"it answered with {answer.status_code}"
    if answer.status_code in _WORTH_ANOTHER_TRY:
        return Broken(detail, _seconds(answer.headers.get("retry-after")))
    return ExportError(f"The service refuses ({problem.get('code', answer.status_code)}): {detail}")


def _object_in(answer: httpx.Response) -> dict[str, Any]:
    if int(answer.headers.get("content-length", 0)) > _LONGEST_REFUSAL:
        return {}
    answer.read()
    try:
        return msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _seconds(value: str | None) -> float | None:
    return float(value) if value and value.isascii() and value.isdigit() else None
