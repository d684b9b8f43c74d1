"""The audit's minute on the wire: 1000 active jobs, each polled twice, a tenth changed before each; in each way to ask.

Both directions are counted, heads too, without what TCP adds. Clients send no more than they have to. Streams are open
all the time: they cost their events, and a comment each 15 s.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
import typer
import uvloop
from stand.crowd import VERSION, Crowd, asking
from stand.figures import Kept, Line, Quick, tell
from stand.hosts import SET, Ours
from stand.load import get
from stand.mover import Mover, moving
from stand.naive import Naive, naive_service
from stand.service import Stand, running_service
from stand.wire import Answer, Wire

from polling_api.domain.job import Job

HALVES = 2  # of the minute: a poll of each job in each
CHANGED = 10  # one in so many jobs changes in each half
CONNECTIONS = 40
COMMENTS = 4  # a minute on each stream, by default
COMMENTED_EVERY = 2  # seconds between two here
TOGETHER = 100  # jobs in a batch-get, or on a stream of many
WAIT = 5  # seconds, in place of 30, so that the minute is shorter
FIELDS = "status,version,progress.completed"
WAYS = ("naive", "minified", "gzip", "304s", "304s and fields", "waits", "batch-get", "batch-get and fields")
METADATA = {f"property_{number}": f"a value that a client wants back, number {number}" for number in range(8)}


@dataclass(slots=True)
class Traffic:
    """Requests, and bytes in both directions, of one way to ask."""

    requests: int = 0
    bytes: int = 0
    seen: dict[str, str] = field(default_factory=dict[str, str])  # entity tags, by job

    def add(self, answer: Answer) -> None:
        """Count a request and its answer."""
        self.requests += 1
        self.bytes += answer.sent + answer.received


Ways = Mapping[str, Traffic]


def main(jobs: int = 1000, *, quick: Quick = False, json: Kept = None) -> None:
    """Count for so many jobs, once as small as they can be and once with metadata."""
    lines, small, large = uvloop.run(_measure(200 if quick else jobs))
    for what, ways in (("small jobs", small), ("jobs with metadata", large)):
        lines += _lines(what, ways)
    tell(lines, json)


async def _measure(count: int) -> tuple[list[Line], Ways, Ways]:
    settings = {"keepalive_every": str(COMMENTED_EVERY)}
    async with running_service(settings, monitor=False) as stand, moving(stand) as mover:
        small, large = await mover.store(count), await mover.store(count, METADATA)
        async with naive_service(stand.database_url, [*small, *large]) as naive:
            lines = await _answers(stand, small[0])
            return lines, await _minute(stand, mover, naive, small), await _minute(stand, mover, naive, large)


async def _answers(stand: Stand, job: Job) -> list[Line]:
    """What one answer takes, and whether it can be compressed."""
    async with _wire(stand.url) as wire:
        whole = await wire.ask(get(stand.url, f"{SET}/{job.id}"))
        seen = await wire.ask(get(stand.url, f"{SET}/{job.id}", f"If-None-Match: {whole.headers['etag']}"))
    return [
        Line(what="a 304, without CORS headers", ours=[seen.received], unit="bytes", must=450, want=380),
        Line(what="a 200 of a small job", ours=[whole.received], unit="bytes"),
    ]


@asynccontextmanager
async def _wire(url: str) -> AsyncGenerator[Wire]:
    wire = await Wire.to(url)
    yield wire
    wire.close()


async def _minute(stand: Stand, mover: Mover, naive: Naive, jobs: Sequence[Job]) -> Ways:
    host, ids = Ours(stand, mover, list(jobs)), [job.id for job in jobs]
    ways = {name: Traffic() for name in WAYS}
    crowds = _streams(stand.url, ids)
    streams = {name: Traffic() for name in crowds}
    comment = await _comment(next(iter(crowds.values())))
    await _ask_all(stand, naive, ids, ways)  # as of the minute before
    for traffic in ways.values():
        traffic.requests = traffic.bytes = 0
    for half in range(HALVES):
        changed = range(half, len(ids), CHANGED)
        for crowd in crowds.values():
            crowd.expect(len(changed))
        waits = asyncio.create_task(_wait_all(stand.url, ids, ways["waits"]))
        await asyncio.sleep(1)  # most have been asked; who comes later finds the change at once
        await host.change(changed)
        for name, crowd in crowds.items():
            streams[name].bytes += sum(len(told.chunk) for told in await crowd.until_told() if VERSION in told.chunk)
        await waits
        await _ask_all(stand, naive, ids, ways)
    for name, crowd in crowds.items():
        streams[name].bytes += COMMENTS * comment * len(crowd)
        crowd.close()
    return {**ways, **streams}


def _streams(url: str, ids: Sequence[str]) -> Mapping[str, Crowd]:
    """With a stream for each job, and with a stream for each hundred; both also with picked fields."""
    groups, crowds = list(_groups(ids)), dict[str, Crowd]()
    for fields, which in (("", ""), (f"fields={FIELDS}", " and fields")):
        each, many = Crowd(url), Crowd(url)
        each.open(asking(url, lambda number, fields=fields: f"{SET}/{ids[number]}/events?{fields}", len(ids)))
        many.open(
            asking(
                url, lambda number, fields=fields: f"{SET}/events?ids={','.join(groups[number])}&{fields}", len(groups)
            )
        )
        crowds |= {f"a stream for each job{which}": each, f"a stream for {TOGETHER} jobs{which}": many}
    return crowds


def _groups(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + TOGETHER] for start in range(0, len(ids), TOGETHER))


async def _comment(crowd: Crowd) -> int:
    """The bytes of a comment, as they come while nothing changes."""
    crowd.expect(0)
    await asyncio.sleep(2 * COMMENTED_EVERY)
    return min(len(told.chunk) for told in crowd.told if VERSION not in told.chunk)


async def _ask_all(stand: Stand, naive: Naive, ids: Sequence[str], ways: Ways) -> None:
    """Poll every job once in each way that is polled."""
    await _poll(naive.url, ids, ways["naive"])
    await _poll(stand.url, ids, ways["minified"])
    await _poll(stand.url, ids, ways["gzip"], headers=["Accept-Encoding: gzip"])
    await _poll(stand.url, ids, ways["304s"], conditional=True)
    await _poll(stand.url, ids, ways["304s and fields"], query=f"?fields={FIELDS}", conditional=True)
    await _batch_get(stand.url, ids, ways["batch-get"])
    await _batch_get(stand.url, ids, ways["batch-get and fields"], fields=FIELDS.split(","))
    if not ways["waits"].seen:
        ways["waits"].seen |= ways["304s"].seen


async def _poll(
    url: str,
    ids: Sequence[str],
    traffic: Traffic,
    *,
    query: str = "",
    headers: Sequence[str] = (),
    conditional: bool = False,
) -> None:
    left = iter(ids)

    async def poll() -> None:
        async with _wire(url) as wire:
            for job in left:
                seen = [f"If-None-Match: {traffic.seen[job]}"] if conditional and job in traffic.seen else []
                answer = await wire.ask(get(url, f"{SET}/{job}{query}", *headers, *seen))
                traffic.seen[job] = answer.headers.get("etag", "")
                traffic.add(answer)

    await asyncio.gather(*(poll() for _ in range(CONNECTIONS)))


async def _wait_all(url: str, ids: Sequence[str], traffic: Traffic) -> None:
    """Wait for every job once; whoever is told of a change waits on, for what is left of the time."""

    async def wait(job: str) -> None:
        async with _wire(url) as wire:
            for _ in range(2):
                asked = get(url, f"{SET}/{job}", f"Prefer: wait={WAIT}", f"If-None-Match: {traffic.seen[job]}")
                answer = await wire.ask(asked)
                traffic.seen[job] = answer.headers["etag"]
                traffic.add(answer)
                if answer.status == 304:
                    return

    await asyncio.gather(*(wait(job) for job in ids))


async def _batch_get(url: str, ids: Sequence[str], traffic: Traffic, **options: Sequence[str]) -> None:
    async with _wire(url) as wire:
        for group in _groups(ids):
            wanted = [{"id": job, **({"etag": traffic.seen[job]} if job in traffic.seen else {})} for job in group]
            body = orjson.dumps({"jobs": wanted, **options})
            head = get(url, f"{SET}/batch-get", "Content-Type: application/json", f"Content-Length: {len(body)}")
            answer = await wire.ask(head.replace(b"GET", b"POST", 1) + body)
            traffic.seen |= {one["id"]: one["etag"] for one in orjson.loads(answer.body)["data"] if "etag" in one}
            traffic.add(answer)


def _lines(what: str, ways: Ways) -> list[Line]:
    naive = ways["naive"]
    goals = {"304s": 0.25, "waits": 0.05} | {way: 0.05 for way in ways if way.startswith("a stream")}
    lines: list[Line] = []
    for way, traffic in ways.items():
        asked = f"{traffic.requests:,} requests" if traffic.requests else "no request"
        lines.append(
            Line(
                what=f"{what}, a minute: {way}, {asked}",
                ours=[traffic.bytes / 1000],
                unit="kB",
                anchor="naive",
                beside=[naive.bytes / 1000],
                must=goals.get(way),
            )
        )
    return [*lines, *_against_polls(what, ways)]


def _against_polls(what: str, ways: Ways) -> list[Line]:
    """A call for a hundred jobs against a hundred conditional polls."""
    polls, batches = ways["304s"], ways["batch-get"]
    return [
        Line(
            what=f"{what}, a minute: {unit} of batch-get against those of 304s",
            ours=[ours],
            unit=unit,
            anchor="304s",
            beside=[beside],
            must=must,
        )
        for unit, ours, beside, must in (
            ("requests", batches.requests, polls.requests, 1 / TOGETHER),
            ("kB", batches.bytes / 1000, polls.bytes / 1000, 0.5),
        )
    ]


if __name__ == "__main__":
    typer.run(main)
