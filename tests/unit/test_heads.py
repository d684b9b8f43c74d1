"""Requests that are kept by their bytes."""

from typing import Any

from polling_api.api.requests import header, once
from polling_api.protocol.heads import KEPT_FOR, LONGEST, Heads

ONE = 1800  # bytes, about, that one without fields takes


def scope_of(path: str, *fields: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"a"), *fields],
        "client": ("192.0.2.1", 1),
        "polling.party": "somebody",
    }


def test_a_kept_request_says_nothing_of_who_sent_it() -> None:
    heads = Heads()
    heads.keep(b"GET /", scope_of("/"))

    found = heads.find(b"GET /")

    assert found is not None
    assert found["path"] == "/"
    assert not {"client", "polling.party", "state"} & found.keys()


def test_what_becomes_of_one_is_not_told_to_the_next() -> None:
    heads = Heads()
    heads.keep(b"GET /", scope_of("/"))
    first, second = heads.find(b"GET /"), heads.find(b"GET /")
    assert first is not None
    assert second is not None

    first["polling.party"] = "somebody"

    assert "polling.party" not in second


def test_what_is_read_of_a_head_is_read_once_for_all_who_send_it() -> None:
    heads, read = Heads(), list[str]()
    heads.keep(b"GET /", scope_of("/"))

    def host(scope: Any) -> str | None:
        read.append(scope["path"])
        return header(scope, b"host")

    told = [once(heads.find(b"GET /") or {}, host) for _ in range(3)]

    assert (told, read) == (["a"] * 3, ["/"])


def test_what_is_kept_is_bounded_and_what_was_not_asked_of_late_makes_room() -> None:
    heads = Heads(most=4 * ONE)
    for number in range(4):
        heads.keep(b"%d" % number, scope_of(f"/{number}"))
    heads.find(b"0")

    heads.keep(b"4", scope_of("/4"))

    assert len(heads) <= 4
    assert [heads.find(one) is not None for one in (b"0", b"1", b"4")] == [True, False, True]


def test_what_nobody_asks_for_some_minutes_is_dropped_when_others_come() -> None:
    now = [0.0]
    heads = Heads(clock=lambda: now[0])
    for number in range(10):
        heads.keep(b"%d" % number, scope_of(f"/{number}"))

    for minutes in range(1, 4):
        now[0] = minutes * KEPT_FOR
        heads.find(b"0")
        heads.keep(b"at %d" % minutes, scope_of("/"))

    assert heads.find(b"0") is not None
    assert heads.find(b"1") is None
    assert len(heads) <= 4


def test_one_that_takes_more_room_than_there_is_is_not_kept() -> None:
    heads = Heads(most=4 * ONE)

    heads.keep(b"2", scope_of("/2", *((b"x", b"y") for _ in range(100))))

    assert len(heads) == 0


def test_long_ones_are_not_kept() -> None:
    heads = Heads()

    heads.keep(b"x" * (LONGEST + 1), scope_of("/"))

    assert len(heads) == 0
