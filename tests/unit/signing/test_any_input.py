"""Whatever comes in is read or refused, in one way."""

import base64
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from in_process.signed_requests import NOW, OURS, POLL, BurntNonces, KnownKeys, StoppedClock, signature, with_fields
from polling_api.signing.canonical import (
    CanonicalError,
    Malformed,
    RequestHead,
    read_content_digest,
    read_signature_inputs,
    read_signatures,
    sign,
)
from polling_api.signing.canonical.structured import written
from polling_api.signing.invalid import InvalidSignature
from polling_api.signing.verifier import Verifier

# Bytes that a structured field is made of, so that a good part of what is drawn is nearly one.
nearly_a_field = st.lists(
    st.sampled_from(
        [b"sig1", b"=", b"(", b")", b'"@method"', b'"', b";", b",", b" ", b"\t", b":AAAA:", b":", b"?1", b"@1"]
    )
    | st.sampled_from(
        [b"created=1", b"key", b"sf", b"bs", b'"a b"', b"1.5", b"-0", b"99999999999999999", b'%"f%c3"', b"\\"]
    )
    | st.binary(max_size=3),
    max_size=30,
).map(b"".join)

names = st.sampled_from(["@method", "@path", "x-a", "a!b", "Accept", "@unheard-of", "a~"])
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
parameters = st.dictionaries(
    st.sampled_from(["created", "expires", "keyid", "nonce", "alg", "tag", "*x", "a-b_c.d"]),
    st.integers(-(10**15) + 1, 10**15 - 1) | texts,
    max_size=6,
)


async def outcome(request: RequestHead, *, has_body: bool) -> str:
    verifier = Verifier(KnownKeys(), BurntNonces(), clock=StoppedClock())
    try:
        await verifier.verify(request, has_body=has_body)
    except InvalidSignature as refused:
        return refused.rule
    return "holds"


@given(st.lists(nearly_a_field, min_size=1, max_size=3), st.lists(nearly_a_field, min_size=1, max_size=3))
async def test_any_fields_are_verified_or_refused(inputs: list[bytes], signatures: list[bytes]) -> None:
    fields = [(b"signature-input", value) for value in inputs] + [(b"signature", value) for value in signatures]

    assert await outcome(replace(POLL, headers=fields), has_body=False) != "holds"


@given(st.binary(max_size=40), st.binary(max_size=40), st.text(max_size=20), nearly_a_field)
async def test_any_target_host_and_digest_is_verified_or_refused(
    path: bytes, query: bytes, authority: str, digest: bytes
) -> None:
    fields = signature(with_fields(POLL, {"Content-Digest": "sha-256=:AAAA:"}))
    request = with_fields(replace(POLL, raw_path=path, raw_query=query, authority=authority), fields)

    assert (
        await outcome(replace(request, headers=[*request.headers, (b"content-digest", digest)]), has_body=True)
        != "holds"
    )


@given(nearly_a_field)
def test_any_field_is_read_or_has_no_canonical_form(value: bytes) -> None:
    for read in (read_signature_inputs, read_signatures, read_content_digest):
        try:
            read([value])
        except CanonicalError:
            continue


@given(st.lists(names, max_size=5, unique=True), parameters)
def test_the_short_way_reads_what_http_sf_reads(covered: list[str], said: dict[str, int | str]) -> None:
    text = written({"sig": ([(name, {}) for name in covered], said)}).encode()

    # With one more space the short way does not take it, and it means the same.
    assert _read(text) == _read(text.replace(b"=(", b"=( ", 1))


@given(nearly_a_field)
def test_what_has_been_read_is_in_its_canonical_form(value: bytes) -> None:
    once = _read(value)
    if isinstance(once, dict):
        for label, text in once.items():
            assert _read(f"{label}={text}".encode()) == {label: text}


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=64))
def test_a_digest_is_read_as_it_was_written(known: bytes, other: bytes) -> None:
    wanted = known.ljust(32, b"\0")[:32]
    field = f"unheard-of=:{base64.b64encode(other).decode()}:, sha-256=:{base64.b64encode(wanted).decode()}:;a=1"

    assert read_content_digest([field.encode()]).values == (("sha-256", wanted),)


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
    st.binary(max_size=10),
)
async def test_whatever_is_signed_holds(path: str, query: str, body: bytes) -> None:
    request = replace(POLL, raw_path=f"/{path}".encode(), raw_query=query.encode())

    fields = sign(request, key_id=OURS.id, secret=OURS.secret, now=NOW, body=body)

    assert await outcome(with_fields(request, fields), has_body=bool(body)) == "holds"


def _read(value: bytes) -> dict[str, str] | str:
    try:
        return {label: signed.text for label, signed in read_signature_inputs([value]).items()}
    except Malformed:
        return "malformed"
    except CanonicalError:
        return "not coverable"


@given(
    st.sampled_from(["sig1", "*a", "a-b_c.d", "Sig1"]),
    st.text("ABCXYZabcxyz0189+/", min_size=40, max_size=45),
    st.sampled_from(["", "=", "=="]),
)
def test_a_signature_is_read_alike_in_the_short_way_and_in_the_long(label: str, text: str, padding: str) -> None:
    value = f"{label}=:{text}{padding}:".encode()

    try:
        in_short = read_signatures([value])
    except Malformed:
        in_short = None
    try:
        # With a parameter it is none of those that are read in short.
        at_length = read_signatures([value + b";a"])
    except Malformed:
        at_length = None

    assert in_short == at_length
