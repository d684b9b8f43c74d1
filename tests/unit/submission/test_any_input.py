"""What holds for every input: bytes never crash anything, and where they are cut does not matter."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polling_api.api.submission import Draft, Rules, read_json, read_lines
from polling_api.errors import BadRequest, Invalid, PollingError, TooLarge

Read = Callable[[AsyncIterator[bytes], Rules], Awaitable[Draft]]

RULES = Rules(
    endpoints=("/v1/embeddings", "/v1/responses"),
    max_json_bytes=2000,
    max_batch_bytes=3000,
    max_line_bytes=1000,
    max_requests=10,
    simulated=True,
)
ROOMY = Rules(
    endpoints=("/v1/embeddings",),
    max_json_bytes=10_000_000,
    max_batch_bytes=10_000_000,
    max_line_bytes=10_000_000,
    max_requests=100,
    simulated=True,
)

no_null = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
texts = st.text(no_null, max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
bodies = st.dictionaries(texts, values, max_size=4).map(orjson.dumps)
custom_ids = st.text(no_null, min_size=1, max_size=512)
batches = st.dictionaries(custom_ids, bodies, min_size=1, max_size=8)
cuts = st.lists(st.integers(0, 4000), max_size=12)

# Nearly right input reaches further than bytes at random do.
fragments = st.sampled_from(
    [
        *(bytes([octet]) for octet in b'{}[],:"\n\r \\-\0\xff'),
        rb"\u0000",
        rb"\ud800",
        b"1e999",
        b"null",
        b'"requests":',
        b'"custom_id":',
        b'"body":',
        b'"metadata":',
        b'"simulator":',
        b'"expires_in":',
        b'"endpoint":',
        b'"method":"POST"',
        b'"url":"/v1/embeddings"',
        b'"object":"job.options"',
        b'{"requests":[{"custom_id":"a","body":{}}]}',
        b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{}}\n',
        b'{"object":"job.options","expires_in":5}\n',
        b"[" * 1200,
    ]
)
# No deadline for an example: a busy machine is not a fault.
quick = settings(deadline=None)
costly = settings(deadline=None, max_examples=30)  # batches take long to make up, not to read

inputs = st.binary(max_size=200) | st.lists(fragments, max_size=40).map(b"".join)


@pytest.mark.parametrize("read", [read_json, read_lines])
@quick
@given(body=inputs)
async def test_any_bytes_are_read_or_refused_by_name(read: Read, body: bytes) -> None:
    outcome = await outcome_of(read, cut(body, []), RULES)

    assert isinstance(outcome, tuple) or type(outcome) in {BadRequest, Invalid, TooLarge}


@pytest.mark.parametrize("read", [read_json, read_lines])
@quick
@given(body=inputs, at=cuts)
async def test_it_does_not_matter_where_bytes_are_cut(read: Read, body: bytes, at: Sequence[int]) -> None:
    whole = await outcome_of(read, cut(body, []), RULES)
    in_pieces = await outcome_of(read, cut(body, at), RULES)

    assert told(whole) == told(in_pieces)


@costly
@given(batch=batches, at=cuts)
async def test_any_valid_batch_in_json_comes_back_byte_for_byte(batch: dict[str, bytes], at: Sequence[int]) -> None:
    requests = b",".join(b'{"custom_id":%s,"body":%s}' % (orjson.dumps(name), body) for name, body in batch.items())

    outcome = await outcome_of(read_json, cut(b'{"requests":[%s]}' % requests, at), ROOMY)

    assert outcome == tuple((name, body.decode()) for name, body in batch.items())


@costly
@given(batch=batches, at=cuts)
async def test_any_valid_batch_in_lines_comes_back_byte_for_byte(batch: dict[str, bytes], at: Sequence[int]) -> None:
    lines = b"".join(
        b'{"custom_id":%s,"method":"POST","url":"/v1/embeddings","body":%s}\n' % (orjson.dumps(name), body)
        for name, body in batch.items()
    )

    outcome = await outcome_of(read_lines, cut(lines, at), ROOMY)

    assert outcome == tuple((name, body.decode()) for name, body in batch.items())


@quick
@given(size=st.integers(0, 400), at=cuts)
async def test_the_bound_of_a_batch_falls_on_one_byte_wherever_it_is_cut(size: int, at: Sequence[int]) -> None:
    # 2,800 bytes of lines that are fine, and up to 400 more: at most 200 of those are within the bound.
    body = (b" " * 699 + b"\n") * 4 + b" " * size

    outcome = await outcome_of(read_lines, cut(body, at), RULES)

    assert isinstance(outcome, TooLarge) == (size > 200)


async def outcome_of(read: Read, chunks: Sequence[bytes], rules: Rules) -> tuple[tuple[str, str], ...] | PollingError:
    try:
        with await read(stream(chunks), rules) as draft:
            return tuple(draft.requests())
    except PollingError as error:
        return error


def told(outcome: tuple[tuple[str, str], ...] | PollingError) -> object:
    if isinstance(outcome, PollingError):
        return type(outcome), outcome.code, outcome.detail, outcome.errors
    return outcome


def cut(body: bytes, at: Sequence[int]) -> list[bytes]:
    ends = [0, *sorted(at), len(body)]
    return [body[start:end] for start, end in pairwise(ends)]


async def stream(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
