"""Attacks on signed requests: whatever is changed on the way, the answer is `401 invalid_signature`, and why."""

import base64
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import httpx
import orjson
import pytest

from polling_api.signing.canonical import content_digest
from running.forging import Wire, signed
from running.jobs import SIGNED_SET, Job, batch
from running.raw import RawAnswer
from running.signing import Credentials
from running.stored import Store

Change = Callable[[Wire], Wire]

BODY = orjson.dumps(batch(1))


def target(find: str, put: str) -> Change:
    return lambda wire: replace(wire, target=wire.target.replace(find, put))


def labelled(find: str, put: str) -> Change:
    """Change the text of `Signature-Input`."""
    return lambda wire: wire.with_field("Signature-Input", wire.field("Signature-Input").replace(find, put))


def field(name: str, value: str) -> Change:
    return lambda wire: wire.with_field(name, value)


def doubled(wire: Wire) -> Wire:
    return wire.adding(
        ("Signature-Input", wire.field("Signature-Input")),
        ("Signature", wire.field("Signature")),
    )


def flipped(wire: Wire) -> Wire:
    """One bit of the MAC is another."""
    mac = bytearray(base64.b64decode(wire.field("Signature").removeprefix("sig1=:").removesuffix(":")))
    mac[-1] ^= 1
    return wire.with_field("Signature", f"sig1=:{base64.b64encode(mac).decode()}:")


def body(changed: bytes) -> Change:
    return lambda wire: replace(wire, body=changed)


def redigested(changed: bytes) -> Change:
    """Another body with its own digest, which is not the one that was signed."""
    return lambda wire: replace(wire, body=changed).with_field("Content-Digest", content_digest(changed))


def chunked(changed: bytes) -> Change:
    """Another body, of a length that is not said beforehand."""
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(changed), changed)
    return lambda wire: replace(wire, body=framed).adding(("Transfer-Encoding", "chunked"))


# What is done to a `GET` of a job with a query, and the rule that it then breaks.
READS: dict[str, tuple[Change, str]] = {
    "another method": (lambda wire: replace(wire, method="HEAD"), "signature"),
    "another path": (target("job_", "job_0"), "signature"),
    "a path below": (target("?", "/history?"), "signature"),
    "a path that is percent-encoded": (target("job_", "%6Aob_"), "signature"),
    "a path that is percent-encoded in lower case": (target("job_", "%6aob_"), "signature"),
    "another value in the query": (target("wait=0", "wait=1"), "signature"),
    "another order in the query": (target("wait=0&until=status", "until=status&wait=0"), "signature"),
    "more in the query": (target("?", "?x=1&"), "signature"),
    "a query that is percent-encoded": (target("=status", "=%73tatus"), "signature"),
    "no query": (lambda wire: replace(wire, target=wire.target.partition("?")[0]), "signature"),
    "another host": (field("Host", "localhost"), "signature"),
    "another port": (field("Host", "127.0.0.1:1"), "signature"),
    "no port": (field("Host", "127.0.0.1"), "signature"),
    "no signature": (lambda wire: wire.without("signature", "signature-input"), "missing"),
    "no Signature": (lambda wire: wire.without("signature"), "missing"),
    "no Signature-Input": (lambda wire: wire.without("signature-input"), "missing"),
    "an empty Signature": (field("Signature", ""), "missing"),
    "the signature twice": (doubled, "malformed"),
    "a label of only one of the two": (labelled("sig1=", "sig2="), "missing"),
    "a signature that is no bytes": (field("Signature", 'sig1="AAAA"'), "malformed"),
    "a Signature-Input that is no dictionary": (field("Signature-Input", "(((("), "malformed"),
    "a line break in Signature-Input": (labelled('"@method"', '"@meth%0d%0aod"'), "components"),
    "an empty MAC": (field("Signature", "sig1=::"), "signature"),
    "a MAC of zeros": (field("Signature", f"sig1=:{base64.b64encode(bytes(32)).decode()}:"), "signature"),
    "a MAC with one bit changed": (flipped, "signature"),
    "another algorithm": (labelled("hmac-sha256", "rsa-pss-sha512"), "algorithm"),
    "the name of the algorithm left out": (labelled(';alg="hmac-sha256"', ""), "signature"),
    "no method covered": (labelled('"@method" ', ""), "components"),
    "no host covered": (labelled('"@authority" ', ""), "components"),
    "no path covered": (labelled('"@path" ', ""), "components"),
    "no query covered": (labelled(' "@query"', ""), "components"),
    "nothing covered": (labelled('"@method" "@authority" "@path" "@query"', ""), "components"),
    "another order of what is covered": (labelled('"@method" "@authority"', '"@authority" "@method"'), "signature"),
    "something covered twice": (labelled('"@method"', '"@method" "@method"'), "components"),
    "a field covered that is not there": (labelled('"@query"', '"@query" "x-not-there"'), "components"),
    "no key": (labelled(";keyid=", ";key-id="), "keyid"),
    "no nonce": (labelled(";nonce=", ";once="), "nonce"),
    "a time that is no number": (labelled(";created=", ';created="x";was='), "created"),
    "no time": (labelled(";created=", ";was="), "created"),
    "a parameter more": (labelled(";keyid=", ";tag=1;keyid="), "signature"),
    "an end added": (labelled(";keyid=", ";expires=9999999999;keyid="), "signature"),
    "an end that is over": (labelled(";keyid=", ";expires=1;keyid="), "expires"),
    "a body added": (lambda wire: replace(wire, body=b"{}"), "components"),
}  # fmt: skip
# The same of a `POST` with a body.
WRITES: dict[str, tuple[Change, str]] = {
    "another body": (body(BODY.replace(b"item", b"Item")), "body"),
    "a longer body": (body(BODY + b" "), "body"),
    "a shorter body": (body(BODY[:-1]), "body"),
    "no body": (body(b""), "body"),
    "another body in chunks": (chunked(BODY + b" "), "body"),
    "no body, in chunks": (chunked(b""), "body"),
    "another body with its digest": (redigested(BODY + b" "), "signature"),
    "another digest": (field("Content-Digest", content_digest(b"x")), "signature"),
    "no digest": (lambda wire: wire.without("content-digest"), "components"),
    "a second digest": (lambda wire: wire.adding(("Content-Digest", content_digest(b"x"))), "signature"),
    "a digest that is not covered": (labelled(' "content-digest"', ""), "components"),
}  # fmt: skip
# Changes of a path that lead to no address: nobody is asked who calls. With the code that is told.
NOWHERE: dict[str, tuple[Change, str]] = {
    "dots": (target("/job_", "/./job_"), "job_not_found"),
    "dots that lead back": (target("/job_", "/x/../job_"), "job_not_found"),
    "dots that are percent-encoded": (target("/job_", "/%2e/job_"), "job_not_found"),
    "two slashes": (target("/job_", "//job_"), "job_not_found"),
    "a slash behind": (target("?", "/?"), "job_not_found"),
    "capitals": (target("/batch-status", "/Batch-Status"), "not_found"),
    "two slashes in front": (target("/api", "//api"), "not_found"),
}


@pytest.fixture
def read(owner: Credentials, here: str, owned: Job) -> Wire:
    """A request for the owner's job, signed by the owner, that was never sent."""
    return signed(owner, here, f"{owned['links']['self']}?wait=0&until=status")


@pytest.fixture
def write(owner: Credentials, here: str) -> Wire:
    """A submit, signed by the owner, that was never sent."""
    return signed(owner, here, SIGNED_SET, method="POST", body=BODY)


def assert_refused(answer: RawAnswer, rule: str) -> None:
    """It is the one refusal: says which rule was broken and which form would do, and nothing of what would be right."""
    said = 'Signature realm="polling-api"'
    if rule != "missing":
        said += f', error="invalid_signature", rule="{rule}"'
    assert (answer.status, answer.headers["www-authenticate"]) == (401, said)
    assert answer.headers["accept-signature"].startswith('sig1=("@method" "@authority" "@path" "@query"')
    assert answer.headers["cache-control"] == "no-store"
    if answer.body:  # else it was a HEAD
        assert answer.code == "invalid_signature"
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("case", READS)
async def test_a_read_that_was_changed_on_its_way_is_refused(read: Wire, here: str, case: str) -> None:
    change, rule = READS[case]

    answer = await change(read).sent(here)

    assert_refused(answer, rule)


@pytest.mark.parametrize("case", WRITES)
async def test_a_write_that_was_changed_on_its_way_is_refused_and_stores_nothing(
    write: Wire, here: str, store: Store, case: str
) -> None:
    change, rule = WRITES[case]
    before = await store.submitted()

    answer = await change(write).sent(here)

    assert_refused(answer, rule)
    assert await store.submitted() == before


@pytest.mark.parametrize("case", NOWHERE)
async def test_a_path_that_was_changed_to_no_address_leads_nowhere(read: Wire, here: str, case: str) -> None:
    change, code = NOWHERE[case]

    answer = await change(read).sent(here)

    assert (answer.status, answer.code) == (404, code)


async def test_a_refused_request_has_not_used_up_the_nonce_of_the_true_one(read: Wire, here: str) -> None:
    forged = await flipped(read).sent(here)
    true = await read.sent(here)

    assert (forged.status, true.status) == (401, 200)


async def test_a_name_of_a_host_in_capitals_is_the_same_name(owner: Credentials, here: str, owned: Job) -> None:
    address = here.replace("127.0.0.1", "localhost")
    wire = signed(owner, address, owned["links"]["self"])

    answer = await wire.with_field("Host", wire.field("Host").upper()).sent(here)

    assert answer.status == 200


@pytest.mark.parametrize("label", ["sig1", "a", "*", "proxy_1.b-c"])
async def test_any_label_will_do(owner: Credentials, here: str, owned: Job, label: str) -> None:
    answer = await signed(owner, here, owned["links"]["self"], label=label).sent(here)

    assert answer.status == 200


@pytest.mark.parametrize("first", [True, False], ids=["before ours", "behind ours"])
async def test_a_second_signature_by_somebody_else_does_no_harm(read: Wire, here: str, first: bool) -> None:  # noqa: FBT001
    theirs = [
        ("Signature-Input", 'proxy=("@method");created=1;keyid="theirs";alg="ed25519"'),
        ("Signature", f"proxy=:{base64.b64encode(bytes(64)).decode()}:"),
    ]
    wire = replace(read, fields=(*theirs, *read.fields)) if first else read.adding(*theirs)

    answer = await wire.sent(here)

    assert answer.status == 200


async def test_more_may_be_covered_and_holds_then(owner: Credentials, here: str, owned: Job) -> None:
    fields = [("X-Covered", "as it was")]
    covered = signed(owner, here, owned["links"]["self"], fields=fields, also=["x-covered"])

    answers = [await wire.sent(here) for wire in (covered.with_field("X-Covered", "changed"), covered)]

    assert_refused(answers[0], "signature")
    assert answers[1].status == 200


@pytest.mark.parametrize(
    "key_id", ["key_" + "5a" * 16, "key_" + "0" * 32, "", "a", "key_" + "Z" * 32, "x" * 129, "' OR 1=1 --"]
)
async def test_an_unknown_key_is_refused(here: str, owned: Job, owner: Credentials, key_id: str) -> None:
    unknown = replace(owner, key_id=key_id)

    answer = await signed(unknown, here, owned["links"]["self"]).sent(here)

    assert_refused(answer, "signature" if 0 < len(key_id) <= 128 else "keyid")


async def test_another_clients_key_does_not_open_with_this_ones_secret(
    here: str, owned: Job, owner: Credentials, stranger: Credentials
) -> None:
    mixed = replace(owner, key_id=stranger.key_id)

    answer = await signed(mixed, here, owned["links"]["self"]).sent(here)

    assert_refused(answer, "signature")


async def test_another_clients_own_signature_finds_no_such_job(here: str, owned: Job, stranger: Credentials) -> None:
    answer = await signed(stranger, here, owned["links"]["self"]).sent(here)

    assert (answer.status, answer.code) == (404, "job_not_found")


@pytest.mark.parametrize("path", ["/api/v1/whoami", "/api/v1/keys", SIGNED_SET + "/events?ids=a"])
async def test_nothing_of_the_signed_set_is_told_unsigned(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"X-Correlation-ID": uuid4().hex})

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    assert answer.headers["www-authenticate"] == 'Signature realm="polling-api"'
