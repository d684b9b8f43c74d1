import pytest

from polling_api.errors import BadRequest, HeadTooLarge, TargetTooLong, TooSlow
from polling_api.protocol.head import MOST_HEAD, MOST_TARGET, Target, check_fields, read_target
from polling_api.protocol.reading import Bounds, Reading

BOUNDS = Bounds(head_seconds=10, body_seconds=20, body_rate=1000, stalled_seconds=30)
HOST = (b"host", b"a")


@pytest.fixture
def reading() -> Reading:
    return Reading(BOUNDS)


def test_a_head_is_counted_with_the_target_and_what_divides_its_fields() -> None:
    long = (b"x", b"y" * (MOST_HEAD - len(b"host: a\r\nx: \r\n") - 1))

    check_fields([HOST, long], 1, "1.1")
    with pytest.raises(HeadTooLarge):
        check_fields([HOST, long], 2, "1.1")


@pytest.mark.parametrize(
    ("field", "framing"),
    [
        ((b"content-length", b"3"), b"content-length: 3"),
        ((b"content-length", b"0"), b""),
        ((b"transfer-encoding", b"Chunked"), b"transfer-encoding: chunked"),
        ((b"accept", b"*/*"), b""),
    ],
)
def test_the_field_that_says_where_the_body_ends_is_found(field: tuple[bytes, bytes], framing: bytes) -> None:
    assert check_fields([HOST, field], 1, "1.1").body == framing


def test_a_target_of_the_bound_s_length_is_taken() -> None:
    assert read_target("GET", b"/" * MOST_TARGET).authority is None
    with pytest.raises(TargetTooLong):
        read_target("GET", b"/" * (MOST_TARGET + 1))


def test_an_asterisk_is_a_target_for_options_alone() -> None:
    assert read_target("OPTIONS", b"*").raw_path == b"*"
    with pytest.raises(BadRequest):
        read_target("GET", b"*")


def test_an_encoded_slash_stays_encoded() -> None:
    assert Target(b"/a%2fb%25%2F%20", b"", None).path == "/a%2Fb%%2F "


def test_a_head_may_take_its_seconds(reading: Reading) -> None:
    reading.feed(10)
    reading.begin()
    reading.since = 100

    assert reading.left(109) == 1
    assert isinstance(reading.lateness(), TooSlow)


def test_a_body_earns_time_by_what_comes(reading: Reading) -> None:
    reading.begin()
    reading.begin_body()
    reading.since, reading.heard = 100, 110
    reading.take_body(5000)

    assert reading.left(124) == 1


def test_a_head_without_an_end_is_in_excess_over_32_kib(reading: Reading) -> None:
    reading.feed(MOST_HEAD)
    reading.begin()
    enough = reading.excess()
    reading.feed(1)

    assert enough is None
    assert isinstance(reading.excess(), HeadTooLarge)


def test_a_head_is_not_charged_for_the_request_before_it(reading: Reading) -> None:
    reading.begin()
    reading.begin_body()
    reading.feed(10 * MOST_HEAD)
    reading.begin()

    assert reading.excess() is None


def test_a_body_of_small_chunks_is_taken_and_one_that_is_all_framing_is_not(reading: Reading) -> None:
    reading.begin()
    reading.begin_body()
    reading.feed(6_000_000)
    reading.take_body(1_000_000)
    small_chunks = reading.excess()
    reading.feed(8_000_000)

    assert small_chunks is None
    assert isinstance(reading.excess(), BadRequest)
