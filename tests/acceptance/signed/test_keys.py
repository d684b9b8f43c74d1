"""Contract: `/api/v1/keys`, the keys of the client that calls, and `/api/v1/whoami`."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from polling_api.domain.client import new_key_id
from running.forging import signed
from running.signing import Credentials, new_client, signing_client

KEYS = "/api/v1/keys"
WHOAMI = "/api/v1/whoami"
MEMBERS = {"object", "id", "created_at", "expires_at", "revoked_at", "last_used_at"}

Key = dict[str, Any]


@pytest.fixture
async def first(database_url: str) -> Credentials:
    """The first key of a client of the test's own."""
    return await new_client(database_url, "keyholder")


@pytest.fixture
async def holder(first: Credentials, here: str) -> AsyncIterator[httpx.AsyncClient]:
    """That client."""
    async with signing_client(here, first) as asking:
        yield asking


async def make(asking: httpx.AsyncClient, **asked: Any) -> Key:
    """A further key, with its secret."""
    answer = await asking.post(KEYS, json=asked)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def rotate(asking: httpx.AsyncClient, key_id: str, **asked: Any) -> httpx.Response:
    return await asking.post(f"{KEYS}/{key_id}/rotate", json=asked)


async def listed(asking: httpx.AsyncClient) -> dict[str, Key]:
    return {key["id"]: key for key in (await asking.get(KEYS, params={"limit": 1000})).json()["data"]}


async def status_with(key: Key, first: Credentials, url: str) -> int:
    """What a request that is signed with a key is answered with."""
    credentials = Credentials(first.client_id, key["id"], key["secret"])
    return (await signed(credentials, url, WHOAMI).sent(url)).status


def moment(key: Key, name: str) -> datetime:
    return datetime.fromisoformat(key[name])


async def test_whoami_says_who_signed_and_with_which_key(holder: httpx.AsyncClient, first: Credentials) -> None:
    answer = await holder.get(WHOAMI)

    told = answer.json()
    assert answer.status_code == 200
    assert list(told) == ["object", "id", "name", "key_id", "limits", "api_version"]
    assert (told["object"], told["id"], told["name"]) == ("client", first.client_id, "keyholder")
    assert (told["key_id"], told["api_version"]) == (first.key_id, answer.headers["x-api-version"])
    assert (await holder.head(WHOAMI)).status_code == 200


async def test_a_key_that_is_made_is_told_with_its_secret_and_good_at_once_on_both_nodes(
    holder: httpx.AsyncClient, first: Credentials, here: str, there: str
) -> None:
    answer = await holder.post(KEYS)

    key = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert key.keys() == MEMBERS | {"secret"}
    assert (key["object"], key["expires_at"], key["revoked_at"], key["last_used_at"]) == ("key", None, None, None)
    assert len(base64.b64decode(key["secret"], validate=True)) == 32
    assert [await status_with(key, first, url) for url in (here, there)] == [200, 200]


async def test_a_secret_is_told_once(holder: httpx.AsyncClient) -> None:
    key = await make(holder)

    page = await holder.get(KEYS)

    assert {frozenset(one) for one in page.json()["data"]} == {frozenset(MEMBERS)}
    assert key["secret"] not in page.text


async def test_keys_are_listed_newest_first_in_pages(holder: httpx.AsyncClient, first: Credentials) -> None:
    made = [first.key_id, *[(await make(holder))["id"] for _ in range(4)]]

    pages = [await holder.get(KEYS, params={"limit": 2})]
    while "next" in pages[-1].links:
        pages.append(await holder.get(pages[-1].links["next"]["url"]))

    assert [[key["id"] for key in page.json()["data"]] for page in pages] == [made[:2:-1], made[2:0:-1], made[:1]]
    assert [page.json()["has_more"] for page in pages] == [True, True, False]


async def test_a_client_sees_its_own_keys_alone(holder: httpx.AsyncClient, first: Credentials) -> None:
    assert (await listed(holder)).keys() == {first.key_id}


async def test_another_clients_cursor_is_none(holder: httpx.AsyncClient, signer: httpx.AsyncClient) -> None:
    await make(holder)
    cursor = (await holder.get(KEYS, params={"limit": 1})).json()["next_cursor"]

    answer = await signer.get(KEYS, params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


async def test_a_key_ends_when_it_was_asked_to(holder: httpx.AsyncClient) -> None:
    key = await make(holder, expires_in=60)

    assert moment(key, "expires_at") - moment(key, "created_at") == timedelta(seconds=60)


async def test_a_key_lives_no_longer_than_the_one_that_made_it(
    holder: httpx.AsyncClient, first: Credentials, here: str
) -> None:
    short = await make(holder, expires_in=60)
    async with signing_client(here, Credentials(first.client_id, short["id"], short["secret"])) as asking:
        keys = [await make(asking), await make(asking, expires_in=3600), await make(asking, expires_in=10)]

    assert [moment(key, "expires_at") <= moment(short, "expires_at") for key in keys] == [True] * 3
    assert moment(keys[0], "expires_at") == moment(short, "expires_at")


async def test_a_key_ends_with_the_one_that_made_it_and_so_on(
    holder: httpx.AsyncClient, first: Credentials, here: str
) -> None:
    chain = [await make(holder)]
    for _ in range(2):
        last = Credentials(first.client_id, chain[-1]["id"], chain[-1]["secret"])
        async with signing_client(here, last) as asking:
            chain.append(await make(asking))
    beside = await make(holder)

    gone = await holder.delete(f"{KEYS}/{chain[0]['id']}")

    assert (gone.status_code, gone.content) == (204, b"")
    assert [await status_with(key, first, here) for key in chain] == [401] * 3
    assert await status_with(beside, first, here) == 200
    told = await listed(holder)
    assert [told[key["id"]]["revoked_at"] is None for key in (*chain, beside)] == [False, False, False, True]


async def test_a_key_that_is_revoked_again_stays_as_it_was(holder: httpx.AsyncClient) -> None:
    key = await make(holder)
    await holder.delete(f"{KEYS}/{key['id']}")
    before = (await listed(holder))[key["id"]]

    again = await holder.delete(f"{KEYS}/{key['id']}")

    assert again.status_code == 204
    assert (await listed(holder))[key["id"]]["revoked_at"] == before["revoked_at"]


async def test_a_key_and_its_successor_are_good_side_by_side_each_with_its_own_end(
    holder: httpx.AsyncClient, first: Credentials, here: str, there: str
) -> None:
    old = await make(holder)

    answer = await rotate(holder, old["id"], overlap=60)

    new = answer.json()
    told = await listed(holder)
    assert (answer.status_code, new.keys()) == (201, MEMBERS | {"secret"})
    assert new["id"] != old["id"]
    assert new["secret"] != old["secret"]
    assert new["expires_at"] is None
    assert timedelta(0) < moment(told[old["id"]], "expires_at") - datetime.now(UTC) <= timedelta(seconds=60)
    assert [await status_with(key, first, url) for key in (old, new) for url in (here, there)] == [200] * 4


async def test_the_overlap_is_an_hour_where_none_is_asked_for(holder: httpx.AsyncClient) -> None:
    old = await make(holder)

    await holder.post(f"{KEYS}/{old['id']}/rotate")

    left = moment((await listed(holder))[old["id"]], "expires_at") - datetime.now(UTC)
    assert timedelta(seconds=3500) < left <= timedelta(seconds=3600)


async def test_a_key_may_replace_itself(holder: httpx.AsyncClient, first: Credentials, here: str) -> None:
    new = (await rotate(holder, first.key_id)).json()

    async with signing_client(here, Credentials(first.client_id, new["id"], new["secret"])) as asking:
        ended = await asking.delete(f"{KEYS}/{first.key_id}")
        still = await asking.get(WHOAMI)

    # The successor is no child of what it replaces, or the end of the old one would be the end of all.
    assert (ended.status_code, still.status_code) == (204, 200)


@pytest.mark.parametrize("call", ["rotate", "revoke"])
@pytest.mark.parametrize("which", ["missing", "foreign", "no id"])
async def test_a_key_that_is_not_the_clients_is_not_there(
    holder: httpx.AsyncClient, stranger: Credentials, call: str, which: str
) -> None:
    key_id = {"missing": new_key_id(), "foreign": stranger.key_id, "no id": "key_1"}[which]

    answer = await (rotate(holder, key_id) if call == "rotate" else holder.delete(f"{KEYS}/{key_id}"))

    assert (answer.status_code, answer.json()["code"]) == (404, "key_not_found")


async def test_a_key_that_has_ended_has_no_successor(holder: httpx.AsyncClient) -> None:
    key = await make(holder)
    await holder.delete(f"{KEYS}/{key['id']}")

    answer = await rotate(holder, key["id"])

    assert (answer.status_code, answer.json()["code"]) == (409, "key_ended")


@pytest.mark.parametrize(
    "asked",
    [{"expires_in": 0}, {"expires_in": -1}, {"expires_in": "60"}, {"expires_in": 1e12}, {"client_id": "cl_1"}, []],
)
async def test_a_key_that_breaks_a_rule_is_422(holder: httpx.AsyncClient, asked: Any) -> None:
    answer = await holder.post(KEYS, json=asked)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("overlap", [-1, "0", 1e9, None])
async def test_an_overlap_that_breaks_a_rule_is_422(
    holder: httpx.AsyncClient, first: Credentials, overlap: Any
) -> None:
    answer = await rotate(holder, first.key_id, overlap=overlap)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_client_has_a_hundred_good_keys_at_most(holder: httpx.AsyncClient) -> None:
    for _ in range(99):
        await make(holder)

    answer = await holder.post(KEYS)

    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_keys")
