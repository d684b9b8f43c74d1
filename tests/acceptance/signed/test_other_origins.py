"""Contract: pages of other origins, names that were rebound to us, and what would be more than one line."""

from collections.abc import AsyncIterator

import httpx
import orjson
import pytest

from running.asking import asking
from running.forging import Wire, port_of, signed
from running.jobs import SET, batch, quiet_job
from running.raw import RawAnswer
from running.service import Service, running_service
from running.signing import Credentials, new_client

PAGE = "https://pages.example"
EVIL = "https://evil.example"
EXPOSED = (
    "ETag, Location, Link, Preference-Applied, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, "
    "X-RateLimit-Reset, X-Correlation-ID, X-API-Version, X-Poll-Interval, Idempotent-Replayed, X-State-Observed, "
    "X-Served-From, Age, Deprecation, Sunset"
)
REQUEST_HEADERS = (
    "Authorization, Content-Type, If-None-Match, Prefer, Idempotency-Key, Last-Event-ID, X-API-Version, "
    "X-Correlation-ID, Signature, Signature-Input, Content-Digest"
)
MISSING = f"{SET}/job_{'0' * 32}"
SUBMIT = orjson.dumps(batch(1))
JSON = ("Content-Type", "application/json")
# Origins that are neither ours nor allowed: a page's, a sandbox's, those that only look like ours or an allowed one.
FOREIGN = [
    EVIL,
    "null",
    "http://pages.example",
    f"{PAGE}:8443",
    f"{PAGE}.evil.example",
    f"https://x.{PAGE.removeprefix('https://')}",
    f"{PAGE}, {EVIL}",
    "http://127.0.0.1:1",
    "http://localhost",
    "ftp://pages.example",
    "",
]


@pytest.fixture(scope="module")
async def shared(postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service whose answers one other origin may read."""
    folder = tmp_path_factory.mktemp("origins")
    settings = {"cors_origins": PAGE}
    async with running_service(postgres_url, redis_url, folder=folder, settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
async def client(shared: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(shared.url) as client:
        yield client


@pytest.fixture(scope="module")
async def active(client: httpx.AsyncClient) -> httpx.Response:
    return await quiet_job(client)


@pytest.fixture(scope="module")
async def credentials(postgres_url: str, shared: Service) -> Credentials:
    assert shared.url
    return await new_client(postgres_url)


def cors_of(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control-")}


def from_page(url: str, method: str, target: str, origin: str, body: bytes = b"") -> Wire:
    """A request that a page of an origin makes."""
    fields = [("Host", url.removeprefix("http://")), ("Origin", origin), *([JSON] if body else [])]
    return Wire(method, target, tuple(fields), body)


@pytest.mark.parametrize("origin", [PAGE, PAGE.upper()])
async def test_an_allowed_page_may_read_every_answer(
    client: httpx.AsyncClient, active: httpx.Response, origin: str
) -> None:
    page = {"Origin": origin}
    seen = {**page, "If-None-Match": active.headers["etag"]}
    path = active.json()["links"]["self"]

    answers = [
        await client.get(path, headers=page),
        await client.get(path, headers=seen),
        await client.get(MISSING, headers=page),
        await client.get(f"{path}/results", headers=page),
        await client.post(SET, json={}, headers=page),
        await client.get("/api/v1/whoami", headers=page),
        await client.get(path, headers={**page, "Authorization": "Bearer x"}),
        await client.put(path, headers=page),
        await client.get("/nothing", headers=page),
        await client.get("/health/live", headers={**page, "Host": "evil.example"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 304, 404, 409, 422, 401, 401, 405, 404, 421]
    for answer in answers:
        assert cors_of(answer.headers) == {
            "access-control-allow-origin": origin,
            "access-control-expose-headers": EXPOSED,
        }
    assert all("Origin" in answer.headers["vary"] for answer in answers)


async def test_an_allowed_page_may_read_a_stream(client: httpx.AsyncClient, active: httpx.Response) -> None:
    answer = await client.head(active.json()["links"]["events"], headers={"Origin": PAGE})

    assert answer.headers["access-control-allow-origin"] == PAGE


async def test_an_allowed_page_may_write(shared: Service) -> None:
    answer = await from_page(shared.url, "POST", SET, PAGE, SUBMIT).sent(shared.url)

    assert (answer.status, answer.headers["access-control-allow-origin"]) == (202, PAGE)


async def test_our_own_page_may_write(shared: Service) -> None:
    answer = await from_page(shared.url, "POST", SET, shared.url, SUBMIT).sent(shared.url)

    assert answer.status == 202
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "DELETE", "HEAD", "GET"])
@pytest.mark.parametrize("path", [SET, MISSING, "/api/v1/keys", "/nothing", "/health/live"])
async def test_an_allowed_pages_preflight_says_what_it_may_send(
    client: httpx.AsyncClient, path: str, method: str
) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization"}

    answer = await client.options(path, headers=asked)

    told = cors_of(answer.headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert told["access-control-allow-origin"] == PAGE
    assert told["access-control-allow-headers"] == REQUEST_HEADERS
    assert method in told["access-control-allow-methods"].split(", ")
    assert int(told["access-control-max-age"]) > 0
    assert "access-control-allow-credentials" not in told


@pytest.mark.parametrize("origin", FOREIGN)
async def test_another_page_may_read_nothing(client: httpx.AsyncClient, active: httpx.Response, origin: str) -> None:
    page = {"Origin": origin}
    path = active.json()["links"]["self"]

    answers = [
        await client.get(path, headers=page),
        await client.get(MISSING, headers=page),
        await client.options(path, headers={**page, "Access-Control-Request-Method": "DELETE"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 404, 204]
    assert [cors_of(answer.headers) for answer in answers] == [{}, {}, {}]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize(("method", "target"), [("POST", SET), ("POST", f"{MISSING}/cancel"), ("DELETE", MISSING)])
async def test_another_page_may_write_nothing(shared: Service, origin: str, method: str, target: str) -> None:
    body = SUBMIT if target == SET else b""

    answer = await from_page(shared.url, method, target, origin, body).sent(shared.url)

    assert (answer.status, answer.code) == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in answer.headers


async def test_a_good_signature_does_not_let_another_page_write(shared: Service, credentials: Credentials) -> None:
    wire = signed(credentials, shared.url, "/api/v1/keys", method="POST", body=b"{}", fields=[("Origin", EVIL)])

    answer = await wire.sent(shared.url)

    assert (answer.status, answer.code) == (403, "origin_not_allowed")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"])
@pytest.mark.parametrize("path", [SET, MISSING, "/api/v1/whoami", "/health/live", "/metrics", "/docs", "/nothing"])
async def test_a_name_that_was_rebound_to_us_is_not_answered_for(shared: Service, host: str, path: str) -> None:
    named = host.format(port=port_of(shared.url))

    answer = await Wire("GET", path, (("Host", named), ("Origin", f"http://{named}"))).sent(shared.url)

    assert (answer.status, answer.code) == (421, "misdirected_request")


async def test_a_signature_for_another_host_is_not_even_looked_at(shared: Service, credentials: Credentials) -> None:
    answer = await signed(credentials, "http://evil.example", "/api/v1/whoami").sent(shared.url)

    assert (answer.status, answer.code) == (421, "misdirected_request")


# A line break and what it is to begin, in every form in which a reader on the way might see one; and a terminal's own.
BREAKS = ["\r\n", "\n", "\r", "%0d%0a", "\\r\\n", "\x0b", "\x0c", "\x1b[2J", "\x85", "\xe2\x80\xa8", "\0"]
FORGED = "X-Forged: yes"
PLACES = ["X-Correlation-ID", "Origin", "Authorization", "Last-Event-ID", "Idempotency-Key", "Host", "User-Agent"]


@pytest.mark.parametrize("place", [*PLACES, "keyid", "nonce", "path", "query"])
async def test_nothing_that_is_sent_makes_a_line_of_its_own(
    shared: Service, credentials: Credentials, active: httpx.Response, place: str
) -> None:
    path = active.json()["links"]["self"]
    answers = [await forged(shared.url, credentials, path, place, text) for text in BREAKS]

    assert [answer for answer in answers if answer is not None and "x-forged" in answer.headers] == []
    lines = shared.workers[0].log.read_bytes().decode().splitlines()
    records = [orjson.loads(line) for line in lines]
    assert len(records) == len(lines) > 0
    assert all(record.keys() >= {"event", "level", "timestamp"} for record in records)


async def forged(url: str, credentials: Credentials, path: str, place: str, text: str) -> RawAnswer:
    """The answer to a request that has a line break in one place."""
    injected = f"a{text}{FORGED}"
    host = ("Host", url.removeprefix("http://"))
    if place in {"keyid", "nonce"}:
        wire = signed(credentials, url, "/api/v1/whoami")
        said = wire.field("Signature-Input").replace(f'{place}="', f'{place}="{injected}', 1)
        return await wire.with_field("Signature-Input", said).sent(url)
    if place == "path":
        return await Wire("GET", f"{path}{injected}", (host,)).sent(url)
    if place == "query":
        return await Wire("GET", f"{path}?fields={injected}", (host,)).sent(url)
    return await Wire("GET", path, (host,)).with_field(place, injected).sent(url)


@pytest.mark.parametrize("given", ["abc", "A.b:c/d+e=f@g-h_i", "x" * 128])
async def test_a_well_formed_correlation_id_comes_back(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get(MISSING, headers={"X-Correlation-ID": given})

    assert answer.headers["x-correlation-id"] == answer.json()["correlation_id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", '"', "\xe9", "<script>", "a,b", "${jndi:ldap://x}"])
async def test_any_other_is_replaced_by_ours(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get(MISSING, headers=[(b"x-correlation-id", given.encode("latin-1"))])

    told = answer.headers["x-correlation-id"]
    assert told == answer.json()["correlation_id"]
    assert len(told) == 32
    assert set(told) <= set("0123456789abcdef")
