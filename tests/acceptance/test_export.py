"""`polling-api export`: a download into a file that goes on where it was cut, and is there once it is whole."""

# ruff: noqa: ASYNC240 - files here are small, and nobody else waits

import asyncio
import json
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from in_process.deadlines import eventually
from polling_api.commands.export.caller import Caller
from polling_api.commands.export.errors import ExportError
from polling_api.commands.export.export import Patience, export
from polling_api.commands.export.results import Results
from running.command_line import Ran, run_here
from running.jobs import Job, ended_job, quiet_job
from running.service import Service
from running.signing import Credentials, new_client, signing_client
from running.stored import Store
from running.tcp_proxy import TcpProxy, tcp_proxy
from running.tokens import token_for

CUTS, SEED = 50, 20261126
LINES = {"Accept": "application/x-ndjson"}


@pytest.fixture(scope="module")
async def ended(client: httpx.AsyncClient) -> Job:
    """A finished job of 700 items, nine of which failed: two batches of a download."""
    return await ended_job(client, "in_progress 0.05s fail=9, succeeded", items=700)


@pytest.fixture(scope="module")
async def whole(client: httpx.AsyncClient, ended: Job) -> bytes:
    """All that is to be in the file."""
    return (await client.get(ended["links"]["results"], headers=LINES)).content


@pytest.fixture
async def proxy(service: Service) -> AsyncIterator[TcpProxy]:
    """The network before the service."""
    async with tcp_proxy(port=httpx.URL(service.url).port or 0) as between:
        yield between


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "results.ndjson"


def _at_once(_: float) -> None:
    """Waiting is nothing that a test needs."""


def part_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.part")


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


async def exported(
    port: int,
    job: Job,
    file: Path,
    *,
    compressed: bool = True,
    outcome: str | None = None,
    patience: Patience | None = None,
) -> int:
    """An export within this process."""

    def run() -> int:
        url = f"http://127.0.0.1:{port}"
        with Results(url, Caller(), job["id"], outcome, compressed=compressed) as results:
            return export(results, file, job["id"], outcome, patience or Patience(sleep=_at_once))

    return await asyncio.to_thread(run)


async def command(service: Service, job: str, file: Path, *options: str) -> Ran:
    """The command, as it is typed."""
    return await asyncio.to_thread(run_here, "export", job, str(file), "--url", service.url, *options)


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_download_cut_at_any_byte_and_resumed_equals_the_whole(
    client: httpx.AsyncClient, proxy: TcpProxy, ended: Job, whole: bytes, tmp_path: Path, *, compressed: bool
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same each time
    asked = {**LINES, "Accept-Encoding": "zstd" if compressed else "identity"}
    size = (await client.get(ended["links"]["results"], headers=asked)).num_bytes_downloaded
    heads = 1000  # bytes of the two answers' heads
    different = 0

    def export_all() -> None:
        nonlocal different
        url = f"http://127.0.0.1:{proxy.port}"
        with Results(url, Caller(), ended["id"], None, compressed=compressed) as results:
            for number in range(CUTS):
                proxy.cut_after = chance.randrange(heads + size)
                items = export(results, tmp_path / str(number), ended["id"], None, Patience(sleep=_at_once))
                different += (tmp_path / str(number)).read_bytes() != whole
                assert (items, proxy.cut_after) == (700, None)

    await asyncio.to_thread(export_all)

    assert different == 0
    assert sorted(names_in(tmp_path)) == sorted(map(str, range(CUTS)))


async def test_a_download_that_is_cut_again_and_again_gets_there(
    proxy: TcpProxy, ended: Job, whole: bytes, file: Path
) -> None:
    cuts = 0

    def cut_again(_: float) -> None:
        nonlocal cuts
        cuts += 1
        proxy.cut_after = 9_000

    cut_again(0)
    await exported(proxy.port, ended, file, compressed=False, patience=Patience(tries=3, sleep=cut_again))

    assert file.read_bytes() == whole
    assert cuts > 5


async def test_an_export_that_was_killed_goes_on(
    client: httpx.AsyncClient, service: Service, store: Store, proxy: TcpProxy, file: Path
) -> None:
    job = await ended_job(client, items=40)
    await store.respond(job["id"], 60_000)
    proxy.rate = 1_000_000
    arguments = ("export", job["id"], str(file), "--url", f"http://127.0.0.1:{proxy.port}")
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "polling_api", *arguments)
    await eventually(lambda: size_of(part_of(file)) >= 300_000, within=60)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    kept = part_of(file).read_bytes()

    ran = await command(service, job["id"], file)

    assert ran.status == 0, ran.told()
    expected = (await client.get(job["links"]["results"], headers=LINES)).content
    assert file.read_bytes() == expected
    assert len(kept) < len(expected)
    assert expected.startswith(kept[: kept.rindex(b"\n") + 1])
    assert names_in(file.parent) == [file.name]


async def test_a_torn_line_is_cut_off_and_what_is_before_it_not_asked_again(
    service: Service, ended: Job, whole: bytes, file: Path, proxy: TcpProxy
) -> None:
    proxy.cut_after = 60_000
    with pytest.raises(ExportError, match="run it again"):
        await exported(proxy.port, ended, file, compressed=False, patience=Patience(tries=1))
    with part_of(file).open("ab") as left:
        left.write(b'{"index":699,"cust')

    ran = await command(service, ended["id"], file, "--no-compress")

    assert ran.told() == f"{file}: 700 results of {ended['id']}, and the end.\n"
    assert file.read_bytes() == whole


async def test_only_results_with_an_outcome_are_exported(
    proxy: TcpProxy, client: httpx.AsyncClient, ended: Job, file: Path
) -> None:
    items = await exported(proxy.port, ended, file, outcome="failed")

    expected = await client.get(ended["links"]["results"], params={"outcome": "failed"}, headers=LINES)
    assert (items, file.read_bytes()) == (9, expected.content)


async def test_results_with_an_outcome_are_as_many_as_the_job_says(
    service: Service, client: httpx.AsyncClient, ended: Job, file: Path
) -> None:
    path, query = ended["links"]["results"], {"outcome": "failed"}
    tag = (await client.head(path, params=query, headers={**LINES, "Accept-Encoding": "identity"})).headers["etag"]
    lines = (await client.get(path, params=query, headers=LINES)).content.splitlines(keepends=True)
    part_of(file).write_bytes(b"".join([*lines[:3], *lines[4:-1]]))
    part_of(file).with_name(f"{part_of(file).name}.json").write_text(
        json.dumps({"job": ended["id"], "outcome": "failed", "tag": tag})
    )

    ran = await command(service, ended["id"], file, "--outcome=failed")

    assert (ran.status, file.exists()) == (1, False)
    assert "ended with 8 results, and the job has 9" in ran.told()


async def test_a_bearer_who_may_not_read_the_status_has_them_uncounted(
    service: Service, database_url: str, tmp_path: Path, file: Path
) -> None:
    async with signing_client(service.url, await new_client(database_url)) as signer:
        job = await ended_job(signer, "in_progress 0.05s fail=1, succeeded", items=3)
        (tmp_path / "token").write_text(await token_for(signer, job, scopes=["results"]))

    ran = await command(service, job["id"], file, "--token-file", str(tmp_path / "token"), "--outcome=completed")

    assert (ran.status, len(file.read_bytes().splitlines())) == (0, 3), ran.told()


async def test_a_client_signs_and_a_bearer_shows_its_token(service: Service, database_url: str, tmp_path: Path) -> None:
    credentials = await new_client(database_url)
    async with signing_client(service.url, credentials) as signer:
        job = await ended_job(signer)
        (tmp_path / "token").write_text(await token_for(signer, job, scopes=["results"]) + "\n")
    (tmp_path / "client.json").write_text(_written(credentials))

    signed = await command(service, job["id"], tmp_path / "one", "--client", str(tmp_path / "client.json"))
    shown = await command(service, job["id"], tmp_path / "two", "--token-file", str(tmp_path / "token"))
    unsigned = await command(service, job["id"], tmp_path / "three")

    assert (signed.status, shown.status) == (0, 0), signed.told() + shown.told()
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert unsigned.status == 1
    assert "job_not_found" in unsigned.told()


async def test_results_of_another_job_or_others_of_it_are_not_mixed(
    service: Service, proxy: TcpProxy, client: httpx.AsyncClient, ended: Job, file: Path
) -> None:
    other = await ended_job(client)
    proxy.cut_after = 30_000
    with pytest.raises(ExportError):
        await exported(proxy.port, ended, file, compressed=False, patience=Patience(tries=1))
    kept = part_of(file).read_bytes()

    refused = [await command(service, other["id"], file), await command(service, ended["id"], file, "--outcome=failed")]

    assert [one.status for one in refused] == [2, 2]
    assert f"holds results of {ended['id']}, not of {other['id']}" in refused[0].told()
    assert "with the outcome any, not failed" in refused[1].told()
    assert part_of(file).read_bytes() == kept


async def test_a_file_that_is_there_is_not_written_over(service: Service, ended: Job, file: Path) -> None:
    file.write_text("mine")

    ran = await command(service, ended["id"], file)

    assert (ran.status, file.read_text()) == (2, "mine")
    assert "is there already" in ran.told()


async def test_a_part_of_unknown_origin_or_damaged_is_not_gone_on_with(
    service: Service, proxy: TcpProxy, ended: Job, file: Path
) -> None:
    part_of(file).write_text('{"index":0}\n')
    unknown = await command(service, ended["id"], file)
    part_of(file).unlink()
    proxy.cut_after = 30_000
    with pytest.raises(ExportError):
        await exported(proxy.port, ended, file, compressed=False, patience=Patience(tries=1))
    part_of(file).write_bytes(part_of(file).read_bytes().split(b"\n", 1)[1])

    damaged = await command(service, ended["id"], file)

    assert (unknown.status, damaged.status) == (2, 2)
    assert "does not say whose results it holds" in unknown.told()
    assert "is damaged: result 1 follows -1" in damaged.told()


async def test_what_there_is_not_or_not_yet_is_refused_in_the_services_words(
    service: Service, client: httpx.AsyncClient, file: Path
) -> None:
    unfinished = (await quiet_job(client)).json()["id"]

    refused = [await command(service, job, file) for job in ("job_" + "0" * 32, unfinished)]

    assert [one.status for one in refused] == [1, 1]
    assert "job_not_found" in refused[0].told()
    assert "results are there once it has ended" in refused[1].told()
    assert names_in(file.parent) == []


async def test_a_service_that_is_away_is_given_up_after_some_tries(proxy: TcpProxy, ended: Job, file: Path) -> None:
    proxy.refuse()
    waits: list[float] = []

    with pytest.raises(ExportError, match=r"Given up after 4 tries: .+ run it again to go on"):
        await exported(proxy.port, ended, file, patience=Patience(tries=4, sleep=waits.append))

    assert len(waits) == 3


async def test_a_job_that_is_deleted_while_it_runs_ends_it_with_a_clear_error(
    client: httpx.AsyncClient, store: Store, proxy: TcpProxy, file: Path
) -> None:
    job = await ended_job(client, items=60)
    await store.respond(job["id"], 750_000)  # more than all buffers on the way hold
    proxy.rate = 20_000_000
    running = asyncio.create_task(exported(proxy.port, job, file))
    await eventually(lambda: size_of(part_of(file)) >= 500_000, within=60)
    proxy.freeze()
    deleted = await client.delete(job["links"]["self"])
    proxy.thaw()

    with pytest.raises(ExportError, match=r"broke the download off \(job_not_found\): The job was deleted"):
        await running

    assert deleted.status_code == 204
    assert sorted(names_in(file.parent)) == [f"{file.name}.part", f"{file.name}.part.json"]
    kept = part_of(file).read_bytes()
    assert kept.endswith(b"\n")
    assert b'"results.' not in kept


def _written(credentials: Credentials) -> str:
    return json.dumps({"client_id": credentials.client_id, "key_id": credentials.key_id, "secret": credentials.secret})
