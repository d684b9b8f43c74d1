"""Calls to the provider, the only ones: deadlines, retries, bounds, and what an answer's status means."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import stamina

from polling_api.metrics import PROVIDER_CALLS
from polling_api.providers.openai.wire import read_json, seconds_to_wait
from polling_api.providers.protocol import Unanswered
from polling_api.resilience.breaker import Breaker, CircuitOpen

ATTEMPTS = 3  # a provider that fails thrice in a row is better asked at the next sweep
WAIT_IN_PLACE = 5.0  # seconds; a longer Retry-After is the caller's to plan with, not to sit out
KEY_REFUSED_FOR = 60.0  # seconds; a refused key is not good a moment later, and many refusals get an account blocked
UPLOAD_WITHIN = 600.0  # seconds; 200 MB at 3 Mbit/s
MOST_JSON = 8 * 1024 * 1024  # bytes; a list of 100 batches has some 100 KB
MOST_REDIRECTS = 3  # file contents may lie with a storage service

# Statuses that say no to this request for good; 409 is the caller's to judge.
_DEFINITE = frozenset({400, 404, 409, 413, 422})
_KEY_REFUSED = frozenset({401, 403})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A definite answer: JSON with a 2xx, or a refusal, whose body is None where it was no JSON."""

    status: int
    body: object

    @property
    def refused(self) -> bool:
        """Whether the provider said no."""
        return not _succeeded(self.status)


class LeftAlone(Unanswered):
    """Nothing was sent: the provider has not answered others. To wait in place would only be to queue up for it."""


class Calls:
    """An HTTP client of one provider.

    Args:
        base_url: the API's address, as `https://…/v1`.
        api_key: sent as a bearer token. None sends a made-up one: a server that needs no key takes any.
        timeout: seconds for one attempt at a JSON call in all, and for each silence within a transfer.
        concurrency: JSON calls at once; as many connections again are left for transfers.
        circuit: opened by attempts that are not answered; None for none. While it is open none is made.
    """

    def __init__(
        self, base_url: str, *, api_key: str | None, timeout: float, concurrency: int, circuit: Breaker | None = None
    ) -> None:
        self._circuit = circuit
        self._timeout = timeout
        self._slots = asyncio.Semaphore(concurrency)
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key or 'none'}"},
            timeout=timeout,
            limits=httpx.Limits(max_connections=2 * concurrency, max_keepalive_connections=concurrency),
            max_redirects=MOST_REDIRECTS,
        )

    async def once(self, call: str, method: str, path: str, **request: Any) -> Answer:
        """Make one attempt at a JSON call, and no other.

        Args:
            call: its name in the metrics.
            method: of HTTP.
            path: below the base address.
            request: more arguments of `httpx.AsyncClient.build_request`.

        Raises:
            Unanswered: nothing definite came back in time; the request may have been carried out.
        """
        async with self._slots:
            return await self._attempt(call, self._timeout, method, path, **request)

    async def retried(self, call: str, method: str, path: str, **request: Any) -> Answer:
        """Make an idempotent JSON call: at most 3 attempts, none begun over one `timeout` after the first.

        Raises:
            Unanswered: none of the attempts got a definite answer.
        """
        return await self._insist(lambda: self.once(call, method, path, **request))

    async def upload(self, call: str, path: str, **request: Any) -> Answer:
        """Send a large body, as `retried` does, but in 10 minutes and without taking a JSON call's place.

        Raises:
            Unanswered: none of the attempts got a definite answer.
        """
        patience = httpx.Timeout(self._timeout, read=UPLOAD_WITHIN)
        return await self._insist(lambda: self._attempt(call, UPLOAD_WITHIN, "POST", path, timeout=patience, **request))

    @asynccontextmanager
    async def download(self, call: str, path: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open a file's content, as `retried` does; what breaks after that is not mended.

        Returns:
            The content in chunks, decoded, with no silence longer than `timeout` between two.

        Raises:
            Unanswered: it could not be opened, or broke.
        """
        response = await self._insist(lambda: self._open_content(call, path))
        try:
            with _httpx_errors_translated():
                yield response.aiter_bytes()
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.aclose()

    async def _insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        async for trial in stamina.retry_context(
            on=_worth_another,
            attempts=ATTEMPTS,
            timeout=self._timeout,
            wait_initial=0.1,
            wait_max=2,
            wait_jitter=0.1,
        ):
            with trial:
                return await attempt()
        raise AssertionError("a retry context ends by an answer or an error")

    @contextmanager
    def _let_through(self, *, timed: bool) -> Generator[None]:
        if self._circuit is None:
            yield
            return
        try:
            with self._circuit.attempt(timed=timed):
                yield
        except CircuitOpen as refused:
            raise LeftAlone("The provider is left alone for a while.", retry_after=refused.retry_after) from None

    async def _attempt(self, call: str, within: float, method: str, path: str, **request: Any) -> Answer:
        with self._let_through(timed=within == self._timeout), _measured(call):
            try:
                async with asyncio.timeout(within):
                    response = await self._open(self._client.build_request(method, path, **request))
                    try:
                        return Answer(response.status_code, await _json(response))
                    finally:
                        await response.aclose()
            except TimeoutError:
                raise Unanswered(f"The provider did not answer {method} {path} within {within:g} s.") from None

    async def _open_content(self, call: str, path: str) -> httpx.Response:
        with self._let_through(timed=False), _measured(call):
            response = await self._open(self._client.build_request("GET", path), follow_redirects=True)
            if not _succeeded(response.status_code):
                await response.aclose()
                raise Unanswered(f"The provider answered GET {path} with {response.status_code}.")
            return response

    async def _open(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request and read the head of its answer; the body is left to be read, and closed."""
        with _httpx_errors_translated():
            response = await self._client.send(request, stream=True, **options)
        if not _succeeded(response.status_code) and response.status_code not in _DEFINITE:
            await response.aclose()
            raise _indefinite(response)
        return response


def _succeeded(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004


def _indefinite(response: httpx.Response) -> Unanswered:
    wait = seconds_to_wait(response.headers.get("Retry-After"), now=datetime.now(UTC))
    if response.status_code in _KEY_REFUSED:
        wait = max(wait or 0, KEY_REFUSED_FOR)
    request = response.request
    return Unanswered(
        f"The provider answered {request.method} {request.url.path} with {response.status_code}.",
        retry_after=wait,
    )


def _worth_another(error: Exception) -> bool | float:
    """Tell stamina whether to try again at all, and when, if the provider said so."""
    if not isinstance(error, Unanswered) or isinstance(error, LeftAlone):
        return False
    if error.retry_after is None:
        return True
    return error.retry_after if error.retry_after <= WAIT_IN_PLACE else False


async def _json(response: httpx.Response) -> object:
    text = bytearray()
    with _httpx_errors_translated():
        async for chunk in response.aiter_bytes():
            text += chunk
            if len(text) > MOST_JSON:
                raise Unanswered(f"The provider's answer is over {MOST_JSON} bytes.")
    try:
        return read_json(bytes(text))
    except ValueError:
        if _succeeded(response.status_code):
            raise Unanswered("The provider's answer is no JSON.") from None
        return None


@contextmanager
def _httpx_errors_translated() -> Generator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise Unanswered(f"No answer from the provider: {type(error).__name__} {error}".rstrip()) from error


@contextmanager
def _measured(call: str) -> Generator[None]:
    began, outcome = time.perf_counter(), "unanswered"
    try:
        yield
        outcome = "answered"
    finally:
        PROVIDER_CALLS.labels(call, outcome).observe(time.perf_counter() - began)
