"""A client's audit log over HTTP: its shape, its pages, and who may read it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from polling_api.api.cursors import Cursors
from polling_api.api.positions import identifier_of, numbers_of
from polling_api.api.routes.audit import AuditEndpoint
from polling_api.api.shapes import AuditListDocument
from polling_api.domain.audit import Entry, Place, Recorded, actor_of, new_entry_id
from polling_api.domain.caller import ANYBODY, Caller, Grant
from polling_api.errors import BadRequest, Refused

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
FILMS = Caller(client_id="client_films", key_id="key_1")
BOOKS = Caller(client_id="client_books", key_id="key_2")
BEARER = Caller("client_films", "key_1", Grant("tok_1", "client_films", "key_1", None, frozenset(), NOON))


def recorded(number: int, client_id: str = "client_films") -> Recorded:
    """Three of a moment, so that time alone does not order them."""
    entry = Entry(
        id=f"aud_{number:032x}", client_id=client_id, actor="key:key_1", action="results.read", job_id="job_1"
    )
    return Recorded(entry, NOON + timedelta(microseconds=number // 3))


class Log:
    """Entries, and how they were asked for."""

    def __init__(self, count: int) -> None:
        self.entries = [recorded(number) for number in reversed(range(count))]
        self.asked: list[tuple[str, Place | None, int]] = []

    async def __call__(self, client_id: str, before: Place | None, limit: int) -> list[Recorded]:
        self.asked.append((client_id, before, limit))
        found = [one for one in self.entries if before is None or one.place < before]
        return [one for one in found if one.entry.client_id == client_id][:limit]


def endpoint(log: Log) -> AuditEndpoint:
    return AuditEndpoint(log, Cursors(["a-master-key-for-tests"]), "/api/v1/audit")


async def test_a_row_is_that_of_the_contract() -> None:
    log = Log(1)
    log.entries[0] = Recorded(
        Entry(
            id="aud_00112233445566778899aabbccddeeff",
            client_id="client_films",
            actor="token:tok_1",
            action="results.read",
            outcome="allowed",
            job_id="job_1",
            address="203.0.113.7",
            correlation_id="film-night",
            request_id="6f1c",
        ),
        NOON,
    )

    answer = await endpoint(log)(FILMS, cursor=None, limit=10, fields=None)

    assert answer.headers["cache-control"] == "no-store"
    assert orjson.loads(bytes(answer.body)) == {
        "object": "list",
        "data": [
            {
                "object": "audit",
                "id": "aud_00112233445566778899aabbccddeeff",
                "at": "2026-11-23T12:00:00.123456Z",
                "client_id": "client_films",
                "actor": "token:tok_1",
                "action": "results.read",
                "job_id": "job_1",
                "address": "203.0.113.7",
                "outcome": "allowed",
                "count": 1,
                "correlation_id": "film-night",
                "request_id": "6f1c",
            }
        ],
        "has_more": False,
        "next_cursor": None,
    }


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (100, [7])])
async def test_pages_hold_each_row_once_newest_first(limit: int, sizes: list[int]) -> None:
    log = Log(7)
    read = endpoint(log)

    pages: list[list[str]] = []
    cursor: str | None = None
    while not pages or cursor:
        page: dict[str, Any] = orjson.loads(bytes((await read(FILMS, cursor=cursor, limit=limit, fields=None)).body))
        cursor = page["next_cursor"]
        pages.append([row["id"] for row in page["data"]])

    assert list(map(len, pages)) == sizes
    assert [row for page in pages for row in page] == [one.entry.id for one in log.entries]


async def test_the_next_page_is_linked() -> None:
    answer = await endpoint(Log(3))(FILMS, cursor=None, limit=2, fields=None)

    cursor = orjson.loads(bytes(answer.body))["next_cursor"]
    assert answer.headers["link"] == f'</api/v1/audit?cursor={cursor}&limit=2>; rel="next"'


async def test_rows_are_as_the_openapi_document_says() -> None:
    answer = await endpoint(Log(3))(FILMS, cursor=None, limit=2, fields=None)

    document = AuditListDocument.model_validate_json(bytes(answer.body), extra="forbid")

    assert document.has_more


async def test_a_client_sees_its_own_alone() -> None:
    log = Log(3)
    log.entries.insert(1, recorded(1, "client_books"))

    answer = await endpoint(log)(BOOKS, cursor=None, limit=10, fields=None)

    assert [row["client_id"] for row in orjson.loads(bytes(answer.body))["data"]] == ["client_books"]


async def test_the_cursor_of_another_client_is_refused() -> None:
    read = endpoint(Log(3))
    cursor = orjson.loads(bytes((await read(FILMS, cursor=None, limit=1, fields=None)).body))["next_cursor"]

    with pytest.raises(BadRequest) as refused:
        await read(BOOKS, cursor=cursor, limit=1, fields=None)

    assert refused.value.code == "bad_cursor"


@pytest.mark.parametrize("cursor", ["", "3", "W10.AAAA", "\N{SNOWMAN}", "." * 4_000])
async def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadRequest) as refused:
        await endpoint(Log(1))(FILMS, cursor=cursor, limit=1, fields=None)

    assert refused.value.code == "bad_cursor"


@pytest.mark.parametrize("caller", [ANYBODY, BEARER])
async def test_nobody_but_the_client_itself_reads_it(caller: Caller) -> None:
    log = Log(1)

    with pytest.raises(Refused):
        await endpoint(log)(caller, cursor=None, limit=1, fields=None)

    assert log.asked == []


def test_an_entry_has_an_id_that_a_cursor_can_hold() -> None:
    assert identifier_of("aud", *numbers_of(entry_id := new_entry_id())) == entry_id


@pytest.mark.parametrize(("caller", "name"), [(FILMS, "key:key_1"), (BEARER, "token:tok_1"), (ANYBODY, "anonymous")])
def test_a_caller_is_recorded_under_its_key_or_its_token(caller: Caller, name: str) -> None:
    assert actor_of(caller) == name
