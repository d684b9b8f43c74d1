"""A node's connections are divided, none is given twice, and no kind of work goes without."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.settings import Settings
from polling_api.store.capacity import Capacity
from polling_api.store.shares import Kind, Share, Shares, TooFew, divide, most_at_each_replica
from polling_api.supervisor.connections import require_room, require_room_at_replica
from polling_api.supervisor.errors import StartError

DEFAULT_SERVER = Capacity(most=100, reserved=3, pooled=False, unlimited=False)


def most_of(shares: Shares) -> int:
    return 1 + sum(share.most for share in shares.values())  # and the heartbeat


@given(st.integers(1, 200), st.integers(0, 400), st.integers(1, 64))
def test_no_node_opens_more_than_it_may_and_each_kind_of_work_has_some(held: int, beyond: int, workers: int) -> None:
    try:
        node = divide(held, beyond, workers=workers)
    except TooFew:
        return

    assert most_of(node.monitor) + workers * most_of(node.worker) == node.most <= held + beyond
    assert all(share.held >= 1 and share.beyond >= 0 for share in [*node.worker.values(), *node.monitor.values()])


@given(st.integers(1, 200), st.integers(0, 400), st.integers(1, 64))
def test_who_has_too_few_is_told_how_many_will_do(held: int, beyond: int, workers: int) -> None:
    try:
        divide(held, beyond, workers=workers)
    except TooFew as error:
        enough = int(str(error).partition("POLLING_POOL_OVERFLOW=")[2].partition(",")[0])
        divide(held, enough, workers=workers)


def test_the_default_gives_a_worker_most_for_what_is_asked_of_it() -> None:
    node = divide(20, 40, workers=1)

    assert node.most == 60
    assert node.worker[Kind.REQUESTS].most > node.worker[Kind.READS].most > node.worker[Kind.AUDIT].most
    assert node.monitor[Kind.RETENTION] == Share(1, 1)


def test_the_default_fits_into_a_default_server() -> None:
    require_room(DEFAULT_SERVER, divide(20, 40, workers=4).most, Settings())


def test_what_does_not_fit_is_told_with_its_figures_and_the_setting_to_lower() -> None:
    settings = Settings(pool_size=40, pool_overflow=80, workers=2)

    with pytest.raises(StartError) as refused:
        require_room(DEFAULT_SERVER, 120, settings)

    told = str(refused.value)
    assert all(figure in told for figure in ("120", "POLLING_POOL_SIZE=40", "POLLING_POOL_OVERFLOW=80", "97", "100"))
    assert "Lower POLLING_POOL_OVERFLOW to 57" in told


@given(st.integers(1, 200), st.integers(0, 400), st.integers(1, 64))
def test_no_node_opens_more_at_a_replica_than_at_the_primary(held: int, beyond: int, workers: int) -> None:
    try:
        node = divide(held, beyond, workers=workers)
    except TooFew:
        return

    assert 2 * workers <= most_at_each_replica(node, workers=workers) < node.most


def test_a_replica_that_has_no_room_is_told_of_by_its_number() -> None:
    settings = Settings(pool_size=40, pool_overflow=80, workers=2)
    needed = most_at_each_replica(divide(40, 80, workers=2), workers=2)
    require_room_at_replica(2, Capacity(most=needed, reserved=0, pooled=False, unlimited=False), needed, settings)

    with pytest.raises(StartError, match=f"{needed} connections to replica 2.*room for {needed - 1}"):
        require_room_at_replica(2, Capacity(most=needed, reserved=1, pooled=False, unlimited=False), needed, settings)
