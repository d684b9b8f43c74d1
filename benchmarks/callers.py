"""What it costs to know who polls: `304`s to anybody, to bearers of tokens, and to clients that sign.

The worker has a core of its own. The kinds take turns, so that what else the machine does falls on all of them.
"""

from collections.abc import Sequence
from statistics import median

import typer
import uvloop
from stand.anchors import anchor
from stand.clients import Signing, new_client
from stand.jobs import quiet_job
from stand.load import Load, get, load_once
from stand.service import running_service

from polling_api.domain.job import new_job_id

SIMPLE_SET, SIGNED_SET = "/api/v1/jobs", "/api/v1/batch-status"
RAW, UNSIGNED, SIGNED = "raw ASGI", "unsigned", "signed"

# Where the machine is busy, each signature's nonce shall be asked for all the same.
SETTINGS = {"monitor_interval": "30", "nonce_timeout": "1"}

Round = dict[str, Load]


def main(
    requests: int = typer.Option(10_000, min=100, max=50_000, help="Of each kind in a round."),
    rounds: int = typer.Option(7, min=1, max=50),
) -> None:
    """Measure, and print medians; in brackets the least and the most of the rounds."""
    measured = uvloop.run(_measure(requests, rounds))
    typer.echo(f"{'304s':18}{'per second':>12}{'CPU µs each':>13}{'more than unsigned, µs':>28}{'as a share':>22}")
    for kind in measured[0]:
        more = [one[kind].microseconds - one[UNSIGNED].microseconds for one in measured]
        shares = [extra / one[UNSIGNED].microseconds for extra, one in zip(more, measured, strict=True)]
        rate = median(one[kind].per_second for one in measured)
        cost = median(one[kind].microseconds for one in measured)
        typer.echo(f"{kind:18}{rate:12,.0f}{cost:13.1f}{_spread(more, '.1f'):>28}{_spread(shares, '.0%'):>22}")


def _spread(figures: Sequence[float], form: str) -> str:
    return f"{median(figures):{form}} ({min(figures):{form}} to {max(figures):{form}})"


async def _measure(requests: int, rounds: int) -> list[Round]:
    async with anchor("stand.raw_asgi") as raw, running_service(SETTINGS) as stand:
        client = await new_client(stand.database_url)
        public = await quiet_job(stand.url)
        own = await quiet_job(stand.url, SIGNED_SET, Signing(client))
        borne, one, many = own.within(SIMPLE_SET), [own.id], [own.id, *(new_job_id() for _ in range(99))]
        repeated = {
            UNSIGNED: public.poll(),
            "token, 1 job": borne.poll({"Authorization": f"Bearer {client.token(one)}"}),
            "token, 100 jobs": borne.poll({"Authorization": f"Bearer {client.token(many)}"}),
        }
        stand.give_a_core(raw.process)
        measured: list[Round] = []
        for _ in range(rounds + 1):
            asked = {kind: [poll] * requests for kind, poll in repeated.items()}
            # Signed beforehand: a nonce is good once, and signing is the clients' cost.
            asked[SIGNED] = [own.poll(client.signature("GET", f"{own.url}{own.path}")) for _ in range(requests)]
            round_ = {RAW: await load_once(raw.process, raw.url, [get(raw.url, "/304")] * requests)}
            for kind, polls in asked.items():
                round_[kind] = await load_once(stand.worker, stand.url, polls)
            measured.append(round_)
        return measured[1:]  # the first warms up


if __name__ == "__main__":
    typer.run(main)
