"""What one node remembers of nonces, and what it does when that is full."""

from hypothesis import given
from hypothesis import strategies as st

from polling_api.resilience.breaker import Breaker
from polling_api.signing.nonces import KEPT, NONCE_CIRCUIT, Burnt, LocalNonceStore, SeenNonces, SharedNonces
from polling_api.signing.nonces.seen import Seen
from polling_api.signing.nonces.shared import digest
from polling_api.signing.verifier import SKEW


def test_a_nonce_is_kept_as_long_as_its_signature_can_be_shown() -> None:
    assert KEPT == 2 * SKEW


def test_a_nonce_is_new_once() -> None:
    seen = SeenNonces()

    assert [seen.remember(b"a", 0), seen.remember(b"a", 1), seen.remember(b"b", 1)] == [Seen.NEW, Seen.KNOWN, Seen.NEW]


def test_a_nonce_is_forgotten_when_its_time_is_over() -> None:
    seen = SeenNonces()
    seen.remember(b"a", 0)
    seen.remember(b"b", 0)
    seen.share(b"b")

    assert seen.remember(b"a", KEPT - 0.1) is Seen.KNOWN
    assert seen.remember(b"b", KEPT - 0.1) is Seen.KNOWN
    assert seen.remember(b"a", KEPT) is Seen.NEW
    assert len(seen) == 1


def test_when_it_is_full_what_is_shared_makes_room_the_oldest_first() -> None:
    seen = SeenNonces(most=3)
    for nonce in (b"shared 1", b"only here", b"shared 2"):
        seen.remember(nonce, 0)
    seen.share(b"shared 1")
    seen.share(b"shared 2")

    assert seen.remember(b"next", 1) is Seen.NEW

    assert seen.remember(b"only here", 1) is Seen.KNOWN
    assert seen.remember(b"shared 2", 1) is Seen.KNOWN
    assert seen.remember(b"shared 1", 1) is Seen.NEW  # forgotten here; the store has it


def test_when_it_is_full_of_what_only_this_node_has_seen_nothing_of_that_is_given_up() -> None:
    seen = SeenNonces(most=2)
    seen.remember(b"a", 0)
    seen.remember(b"b", 1)

    assert seen.remember(b"c", 2) is Seen.FORGOTTEN
    assert seen.remember(b"a", 2) is Seen.KNOWN
    assert seen.remember(b"b", 2) is Seen.KNOWN
    assert seen.remember(b"c", KEPT) is Seen.NEW  # there is room again


def test_sharing_what_was_not_remembered_changes_nothing() -> None:
    seen = SeenNonces(most=1)
    seen.remember(b"a", 0)
    assert seen.remember(b"b", 0) is Seen.FORGOTTEN

    seen.share(b"b")

    assert len(seen) == 1


async def test_what_the_store_has_taken_makes_room_and_what_it_has_not_does_not() -> None:
    store, breaker = LocalNonceStore(), Breaker(NONCE_CIRCUIT)
    nonces = SharedNonces(store, SeenNonces(most=1), breaker, clock=lambda: 0.0)
    await nonces.burn("key", "taken")
    store.go_down()

    assert await nonces.burn("key", "not taken") is Burnt.UNSURE
    assert await nonces.burn("key", "no room") is Burnt.UNSURE
    assert await nonces.burn("key", "no room") is Burnt.UNSURE
    assert await nonces.burn("key", "not taken") is Burnt.USED


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 200), st.booleans()), max_size=100), st.integers(1, 8))
def test_it_never_outgrows_its_bound_nor_loses_what_only_this_node_has_seen(
    burns: list[tuple[int, int, bool]], most: int
) -> None:
    seen, now, only_here = SeenNonces(most), 0, dict[bytes, int]()
    for number, passed, shared in burns:
        now += passed
        nonce = bytes([number])
        known = only_here.get(nonce, -KEPT) + KEPT > now

        found = seen.remember(nonce, now)

        assert len(seen) <= most
        assert not known or found is Seen.KNOWN
        if found is Seen.NEW:
            only_here[nonce] = now
        if shared:
            seen.share(nonce)
            only_here.pop(nonce, None)


def test_the_nonces_of_two_keys_have_nothing_to_do_with_each_other() -> None:
    assert len({digest("a", "b c"), digest("a b", "c"), digest("a", "b  c"), digest("", "a b c")}) == 4
