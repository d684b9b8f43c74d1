"""Whatever fails, no version goes back, no status and no end is kept from anybody, and nothing is done twice.

`make faults` does all faults for longer, and writes what came of them into `docs/reliability.md`.
"""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from faulting.faults import FAULTS, ROOM, Fault
from faulting.scenario import carry_out
from faulting.stand import Stand, standing
from faulting.table import table, write_between_marks
from faulting.verdict import Outcome
from in_process.carriers import RedisCarrier
from polling_api.embedded import Server, start_postgres
from polling_api.server import raise_descriptor_limit
from polling_api.store import migrate
from running.cluster import Cluster
from running.replication import replicated

WHOLE = os.environ.get("FAULTS") == "whole"
SECONDS = float(os.environ.get("FAULT_SECONDS", "10" if WHOLE else "3"))
CROWD = int(os.environ.get("FAULT_STREAMS", "2000" if WHOLE else "100"))
DRAIN = 10.0 if WHOLE else 1.0
DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def postgres_of_faults(cluster: Cluster, servers_folder: Path) -> Iterator[Server]:
    """It keeps what it has committed when it is killed."""
    cluster.copy_to(servers_folder / "faults")
    server = start_postgres(servers_folder / "faults", max_connections=ROOM)
    migrate.upgrade(server.url)  # where no copy could be made
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def stand(
    postgres_of_faults: Server, redis: RedisCarrier, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stand]:
    raise_descriptor_limit()
    async with standing(postgres_of_faults, redis, tmp_path_factory.mktemp("faults"), DRAIN) as stand:
        yield stand


@pytest.fixture(scope="module")
async def replicated_stand(
    cluster: Cluster, servers_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stand]:
    """On servers of its own: what is done to a replica should not be seen by those who have none."""
    carrier = RedisCarrier(tmp_path_factory.mktemp("redis"))
    try:
        with replicated(cluster, servers_folder / "replicated-faults") as servers:
            folder = tmp_path_factory.mktemp("replicated-faults")
            async with standing(servers.primary, carrier, folder, DRAIN, servers.replica) as stand:
                yield stand
    finally:
        carrier.stop()


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, Outcome]]:
    """Of all faults, by name; shown at the end, and written down where all were done."""
    found: dict[str, Outcome] = {}
    yield found
    print(f"\n{table(found)}")  # noqa: T201 - the figures themselves are asked for
    if len(found) == len(FAULTS):
        write_between_marks(DOCUMENT, found, SECONDS)


def name_of(fault: Fault) -> str:
    return fault.name.replace(" ", "-")


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if not fault.replicated and (WHOLE or fault.bounded)], ids=name_of
)
async def test_nothing_that_was_promised_is_broken(fault: Fault, stand: Stand, outcomes: dict[str, Outcome]) -> None:
    outcome = await carry_out(fault, stand, SECONDS, CROWD)
    outcomes[fault.name.format(CROWD)] = outcome

    assert outcome.broken == {}


@pytest.mark.skipif(not WHOLE, reason="part of `make faults`; test_lagging_replica.py and its like are bounded")
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.replicated], ids=name_of)
async def test_nothing_that_was_promised_is_broken_by_a_replica(
    fault: Fault, replicated_stand: Stand, outcomes: dict[str, Outcome]
) -> None:
    outcome = await carry_out(fault, replicated_stand, SECONDS, CROWD)
    outcomes[fault.name] = outcome

    assert outcome.broken == {}
