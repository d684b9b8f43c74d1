"""Every method on every address: served, or refused with the names of those that are."""

import json
from typing import Any

import httpx
import pytest

from polling_api.app.service import openapi_document

DOCUMENT: dict[str, Any] = json.loads(openapi_document())
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "SEARCH")
# Made by FastAPI, for people; the document does not tell of them.
READ_BY_PEOPLE = {"/docs": {"GET", "HEAD"}, "/openapi.json": {"GET", "HEAD"}}
KNOWN = READ_BY_PEOPLE | {
    path: {method.upper() for method in operations} for path, operations in DOCUMENT["paths"].items()
}
SERVED = [(method, path) for path, methods in KNOWN.items() for method in METHODS if method in methods]
REFUSED = [(method, path) for path, methods in KNOWN.items() for method in METHODS if method not in methods]


def address_of(path: str) -> str:
    """The path with something in place of its parameters."""
    return path.replace("{job_id}", f"job_{'0' * 32}").replace("{code}", "internal")


def allowed(answer: httpx.Response) -> set[str]:
    """The methods that `Allow` names."""
    return set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize(("method", "path"), SERVED)
async def test_a_method_that_is_told_of_is_served(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, address_of(path))

    assert answer.status_code != 405
    assert "allow" not in answer.headers


@pytest.mark.parametrize(("method", "path"), REFUSED)
async def test_any_other_method_is_refused_with_those_that_there_are(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, address_of(path))

    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
    assert allowed(answer) == KNOWN[path] | {"OPTIONS"}


@pytest.mark.parametrize("path", KNOWN)
async def test_options_names_the_methods_of_every_address(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.options(address_of(path))

    assert (answer.status_code, answer.content) == (204, b"")
    assert allowed(answer) == KNOWN[path] | {"OPTIONS"}


@pytest.mark.parametrize("path", [path for path, methods in KNOWN.items() if "GET" in methods])
async def test_head_answers_as_get_does_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    whole, head = await client.get(address_of(path)), await client.head(address_of(path))

    changing = {"date", "x-correlation-id", "content-length"}
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert set(head.headers) - changing == set(whole.headers) - changing


@pytest.mark.parametrize("word", ["events"])
@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT"])
async def test_a_word_in_the_place_of_an_id_is_no_id(client: httpx.AsyncClient, method: str, word: str) -> None:
    answer = await client.request(method, f"/api/v1/jobs/{word}")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("tail", ["", "/events", "/results"])
async def test_an_id_that_begins_with_a_word_is_an_id(client: httpx.AsyncClient, tail: str) -> None:
    answer = await client.get(f"/api/v1/jobs/events_of_mine{tail}")

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
