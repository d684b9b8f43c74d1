"""Contract: who is shut out, for how long, and who is not."""

import httpx
import pytest
from tests.acceptance.limits.conftest import BLOCKED_FOR, WRONGS

from in_process.deadlines import comes_true
from polling_api.domain.job import new_job_id
from polling_api.embedded import Server
from running.events import open_events
from running.jobs import SET, SIGNED_SET, Job, quiet_job, read
from running.operator import operator
from running.signing import Credentials, new_client
from running.visitors import ANYWHERE, code_of, new_address, until_code, visitor

WHOAMI = "/api/v1/whoami"


async def guess(client: httpx.AsyncClient, base: str = SET, *, times: int = WRONGS) -> list[httpx.Response]:
    """Ask for so many different jobs that are not there."""
    return [await client.get(f"{base}/{new_job_id()}") for _ in range(times)]


async def sign_wrongly(client: httpx.AsyncClient, *, times: int = WRONGS) -> list[httpx.Response]:
    """Ask with so many signatures that do not hold."""
    wrong = {
        "Signature-Input": 'sig1=("@method" "@authority" "@path" "@query");created=1;keyid="x"',
        "Signature": "sig1=:AAAA:",
    }
    return [await client.get(WHOAMI, headers=wrong) for _ in range(times)]


async def test_who_guesses_ids_is_shut_out_everywhere_and_each_time_for_twice_as_long(
    there: str, somebody: httpx.AsyncClient, job: Job
) -> None:
    guesses = await guess(somebody)
    refused = await read(somebody, job)
    async with visitor(there, somebody.headers["x-forwarded-for"]) as elsewhere:
        await until_code(elsewhere, ANYWHERE, "blocked")

    assert {code_of(answer) for answer in guesses} == {"job_not_found"}
    assert (refused.status_code, code_of(refused)) == (429, "blocked")
    assert 1 <= int(refused.headers["retry-after"]) == refused.json()["retry_after"] <= BLOCKED_FOR
    assert "x-ratelimit-remaining" in refused.headers

    await until_code(somebody, job["links"]["self"], "")
    await guess(somebody)
    again = await read(somebody, job)
    assert BLOCKED_FOR < int(again.headers["retry-after"]) <= 2 * BLOCKED_FOR


async def test_the_same_unknown_id_is_one_however_often_it_is_asked_for(here: str, job: Job) -> None:
    async with visitor(here) as asking:
        same = f"{SET}/{new_job_id()}"
        asked = [await asking.get(f"{same}{rest}") for rest in ("", "/events", "/history", "/results") for _ in (1, 2)]

        assert {code_of(answer) for answer in asked} == {"job_not_found"}
        assert len(asked) > WRONGS
        assert (await read(asking, job)).status_code == 200


async def test_unknown_ids_among_others_on_a_stream_are_one_guess(here: str, job: Job) -> None:
    async with visitor(here) as asking:
        for number in range(WRONGS):
            ids = ",".join([job["id"], *(new_job_id() for _ in range(10))])
            async with open_events(asking, f"{SET}/events", params={"ids": ids}) as stream:
                assert stream.response.status_code == 200, number

        assert code_of(await read(asking, job)) == "blocked"


@pytest.mark.parametrize("path", ["/results", "/cancel", "", "/a/b"])
async def test_every_way_to_ask_for_an_id_counts(somebody: httpx.AsyncClient, path: str) -> None:
    method = {"/cancel": "POST", "": "DELETE"}.get(path, "GET")
    guesses = [await somebody.request(method, f"{SET}/{new_job_id()}{path}") for _ in range(WRONGS)]

    assert {code_of(answer) for answer in guesses} == {"job_not_found"}
    assert code_of(await somebody.get(ANYWHERE)) == "blocked"


async def test_wrong_signatures_shut_their_address_out_and_a_good_one_passes(
    here: str, somebody: httpx.AsyncClient, credentials: Credentials, job: Job
) -> None:
    refused = await sign_wrongly(somebody)
    then = [*await sign_wrongly(somebody, times=1), await read(somebody, job)]
    async with visitor(here, somebody.headers["x-forwarded-for"], signs=credentials) as signing:
        good = await signing.get(WHOAMI)

    assert {answer.status_code for answer in refused} == {401}
    assert [code_of(answer) for answer in then] == ["blocked", "blocked"]
    assert good.status_code == 200


async def test_a_request_without_a_signature_is_no_wrong_one(somebody: httpx.AsyncClient, job: Job) -> None:
    refused = [await somebody.get(WHOAMI) for _ in range(WRONGS + 1)]

    assert {answer.status_code for answer in refused} == {401}
    assert (await read(somebody, job)).status_code == 200


async def test_a_client_that_guesses_is_shut_out_and_its_neighbours_are_not(
    here: str, limited_database_url: str, signer: httpx.AsyncClient, job: Job
) -> None:
    await guess(signer, SIGNED_SET)
    refused = await signer.get(WHOAMI)
    address = signer.headers["x-forwarded-for"]
    async with (
        visitor(here, address) as unsigned,
        visitor(here, address, signs=await new_client(limited_database_url)) as other,
    ):
        neighbours = [await read(unsigned, job), await other.get(WHOAMI)]

    assert code_of(refused) == "blocked"
    assert [answer.status_code for answer in neighbours] == [200, 200]


async def test_streams_that_are_open_live_on(here: str, somebody: httpx.AsyncClient) -> None:
    async with visitor(here) as owner, visitor(here) as other:
        watched = (await quiet_job(owner)).json()
        async with open_events(other, watched["links"]["events"]) as stream:
            await stream.event()
            await guess(other)
            blocked = await other.get(ANYWHERE)
            await somebody.post(watched["links"]["cancel"])
            after = await stream.event()

    assert code_of(blocked) == "blocked"
    assert after.job["status"] in {"cancelling", "cancelled"}


async def test_the_operator_sees_blocks_and_lifts_them(here: str, limited_redis: Server) -> None:
    address, redis = new_address(), {"redis_url": limited_redis.url}

    async def lists_it() -> bool:
        return f"ip:{address}" in await operator("blocks", "list", settings=redis)

    async with visitor(here, address) as guesser:
        for _ in range(3):  # so that it lasts for longer than the rest of this test: 8 s
            await until_code(guesser, ANYWHERE, "not_found")
            await guess(guesser)
        await comes_true(lists_it)  # once the process has told Redis
        lifted = await operator("blocks", "lift", f"ip:{address}", settings=redis)
        await until_code(guesser, ANYWHERE, "not_found")
        still = await lists_it()

    assert "let in again" in lifted
    assert not still
