"""What holds, and what each attack is told."""

from dataclasses import replace
from typing import Any

import pytest

from in_process.signed_requests import (
    COVERED,
    ENDED,
    NOW,
    OURS,
    PATH,
    POLL,
    SAID,
    BurntNonces,
    KnownKeys,
    StoppedClock,
    signature,
    signed,
    with_fields,
    without_fields,
)
from polling_api.signing.canonical import DigestCheck, RequestHead, content_digest, mac, sign
from polling_api.signing.challenge import accept_signature, www_authenticate
from polling_api.signing.invalid import InvalidSignature, Rule
from polling_api.signing.nonces import Burnt
from polling_api.signing.verifier import MOST_TRIED, Verified, Verifier

BODY = b'{"requests":[]}'
SUBMIT = replace(POLL, method="POST", raw_path=b"/api/v1/batch-status", raw_query=b"")
WITH_DIGEST = (*COVERED, '"content-digest"')


async def broken_rule(verifier: Verifier, request: RequestHead, *, has_body: bool = False) -> Rule:
    with pytest.raises(InvalidSignature) as refused:
        await verifier.verify(request, has_body=has_body)
    return refused.value.rule


# What holds


async def test_a_signed_request_is_its_clients_and_burns_its_nonce(verifier: Verifier, nonces: BurntNonces) -> None:
    verified = await verifier.verify(signed(), has_body=False)

    assert verified == Verified(OURS, None, Burnt.FRESH)
    assert nonces.burnt == [(OURS.id, SAID["nonce"])]


async def test_what_our_signer_signs_holds(verifier: Verifier) -> None:
    fields = sign(SUBMIT, key_id=OURS.id, secret=OURS.secret, now=NOW + 0.9, body=BODY, expires=int(NOW) + 60)

    verified = await verifier.verify(with_fields(SUBMIT, fields), has_body=True)

    assert verified.content_digest is not None
    check = DigestCheck(verified.content_digest)
    check.update(BODY)
    assert check.matches()


async def test_a_signature_that_does_as_our_challenge_asks_holds(verifier: Verifier) -> None:
    asked = accept_signature(has_body=True)
    request = with_fields(SUBMIT, {"Content-Digest": content_digest(BODY)})
    covered, _, parameters = asked.removeprefix("sig1=(").partition(")")
    nonce = parameters.partition('nonce="')[2].removesuffix('"')

    fields = signature(request, covered=covered.split(" "), said={**SAID, "nonce": nonce})

    assert (await verifier.verify(with_fields(request, fields), has_body=True)).key == OURS


@pytest.mark.parametrize(
    "changed",
    [
        {"label": "anything-else.1"},
        {"said": {**SAID, "alg": None}},
        {"said": {**SAID, "tag": "my-app"}},
        {"said": {"keyid": OURS.id, "nonce": "n" * 16, "created": int(NOW)}},
        {"covered": tuple(reversed(COVERED))},
        {"covered": (*COVERED, '"accept"', '"@target-uri"', '"@scheme"', '"@request-target"')},
        {"covered": (*COVERED, '"@query-param";name="wait"', '"accept";bs')},
    ],
    ids=["label", "no alg", "tag", "order of parameters", "order of components", "derived ones", "with parameters"],
)
async def test_a_signature_may_say_and_cover_more_in_any_order(verifier: Verifier, changed: dict[str, Any]) -> None:
    assert (await verifier.verify(signed(**changed), has_body=False)).key == OURS


@pytest.mark.parametrize(
    ("host", "signed_for"),
    [
        ("node-7:8000", "node-7:8000"),
        ("Node-7:8000", "node-7:8000"),
        ("api.example", "api.example"),
        ("api.example", "api.example:80"),
        ("api.example", "api.example:443"),
        ("api.example:443", "api.example"),
        ("api.example:80", "api.example"),
        ("api.example:", "api.example"),
        ("[::1]:443", "[::1]"),
        ("[::1]", "[::1]:443"),
        ("node-7:8000", "polling.example"),
        ("node-7:8000", "polling.example:443"),
        ("node-7:8000", "other.example:8443"),
    ],
)
async def test_the_authority_is_the_host_or_a_public_one_with_the_default_port_or_without(
    verifier: Verifier, host: str, signed_for: str
) -> None:
    fields = signature(replace(POLL, authority=signed_for))

    request = with_fields(replace(POLL, authority=host), fields)

    assert (await verifier.verify(request, has_body=False)).key == OURS


async def test_under_a_public_name_the_target_may_have_been_reached_by_tls(verifier: Verifier) -> None:
    outside = replace(POLL, scheme="https", authority="polling.example")

    request = with_fields(POLL, signature(outside, covered=(*COVERED, '"@target-uri"')))

    assert (await verifier.verify(request, has_body=False)).key == OURS


@pytest.mark.parametrize(("created", "holds"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
async def test_created_may_lie_300_seconds_off_on_either_side(verifier: Verifier, created: int, *, holds: bool) -> None:
    request = signed(said={**SAID, "created": int(NOW) + created})

    if holds:
        assert (await verifier.verify(request, has_body=False)).key == OURS
    else:
        assert await broken_rule(verifier, request) is Rule.CREATED


async def test_a_signature_ends_to_the_instant_so_that_no_nonce_has_to_be_kept_longer(
    verifier: Verifier, clock: StoppedClock
) -> None:
    clock.now = NOW + 300.01

    assert await broken_rule(verifier, signed()) is Rule.CREATED


@pytest.mark.parametrize(("expires", "holds"), [(1, True), (0, False), (-1, False), (10**14, True)])
async def test_expires_has_no_skew(verifier: Verifier, expires: int, *, holds: bool) -> None:
    request = signed(said={**SAID, "expires": int(NOW) + expires})

    if holds:
        assert (await verifier.verify(request, has_body=False)).key == OURS
    else:
        assert await broken_rule(verifier, request) is Rule.EXPIRES


@pytest.mark.parametrize("length", [16, 128])
async def test_a_nonce_has_16_to_128_characters(verifier: Verifier, length: int) -> None:
    assert (await verifier.verify(signed(said={**SAID, "nonce": "n" * length}), has_body=False)).key == OURS


async def test_a_field_over_several_lines_is_one(verifier: Verifier) -> None:
    request = replace(POLL, headers=[(b"cache-control", b"no-cache"), (b"cache-control", b" no-store ")])
    fields = signature(request, covered=(*COVERED, '"cache-control"'))
    proxied = signature(request, label="proxy", secret=b"another's")

    both = with_fields(with_fields(request, proxied), fields)

    assert (await verifier.verify(both, has_body=False)).key == OURS


async def test_one_line_with_two_signatures_is_read_as_two(verifier: Verifier) -> None:
    fields, proxied = signature(POLL), signature(POLL, label="proxy", said={**SAID, "alg": "ed25519"})
    joined = {name: f"{proxied[name]}, {fields[name]}" for name in fields}

    assert (await verifier.verify(with_fields(POLL, joined), has_body=False)).key == OURS


async def test_a_proxy_may_sign_the_clients_signature_too(verifier: Verifier) -> None:
    request = signed()
    proxied = signature(
        request, label="proxy", covered=(*COVERED, '"signature";key="sig1"'), said={**SAID, "keyid": "proxy"}
    )

    assert (await verifier.verify(with_fields(request, proxied), has_body=False)).key == OURS


async def test_a_body_by_sha_512_holds_and_unknown_digests_are_passed_over(verifier: Verifier) -> None:
    sha_512 = "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:"
    request = with_fields(SUBMIT, {"Content-Digest": f"md5=:AAAA:, {sha_512}"})

    verified = await verifier.verify(signed(request, covered=WITH_DIGEST), has_body=True)

    assert verified.content_digest is not None
    check = DigestCheck(verified.content_digest)
    check.update(b'{"hello": "world"}\n')
    assert check.matches()


# Attacks


@pytest.mark.parametrize(
    "altered",
    [
        {"method": "DELETE"},
        {"method": "get"},
        {"authority": "node-8:8000"},
        {"authority": "node-7:80"},
        {"raw_path": PATH.replace(b"job", b"%6aob")},
        {"raw_path": PATH.replace(b"/api", b"/./api")},
        {"raw_path": PATH.replace(b"/api", b"/x/../api")},
        {"raw_path": PATH.upper()},
        {"raw_path": PATH + b"/"},
        {"raw_path": PATH[:-1] + b"1"},
        {"raw_path": PATH.replace(b"/", b"//")},
        {"raw_query": b"fields=status&wait=30"},
        {"raw_query": b"wait=30&fields=statu%73"},
        {"raw_query": b"wait=30&fields=status&"},
        {"raw_query": b"wait=30"},
        {"raw_query": b""},
    ],
    ids=str,
)
async def test_an_altered_request_does_not_hold(
    verifier: Verifier, nonces: BurntNonces, altered: dict[str, Any]
) -> None:
    request = replace(signed(), **altered)

    assert await broken_rule(verifier, request) is Rule.SIGNATURE
    assert not nonces.burnt


async def test_a_query_moved_into_the_path_does_not_hold(verifier: Verifier) -> None:
    moved = replace(signed(), raw_path=PATH + b"?wait=30&fields=status", raw_query=b"")

    assert await broken_rule(verifier, moved) is Rule.SIGNATURE


async def test_a_line_break_in_a_component_forges_no_line(verifier: Verifier) -> None:
    forged = replace(signed(), raw_path=b'/x\n"@query": ?')

    assert await broken_rule(verifier, forged) is Rule.COMPONENTS


@pytest.mark.parametrize("name", [b"signature", b"signature-input"])
async def test_a_request_stripped_of_its_signature_is_not_signed(verifier: Verifier, name: bytes) -> None:
    assert await broken_rule(verifier, without_fields(signed(), name)) is Rule.MISSING


async def test_a_signature_under_another_label_than_its_input_is_none(verifier: Verifier) -> None:
    fields = signature(POLL)
    fields["Signature"] = fields["Signature"].replace("sig1", "sig2")

    assert await broken_rule(verifier, with_fields(POLL, fields)) is Rule.MISSING


@pytest.mark.parametrize("name", ["Signature", "Signature-Input"])
async def test_a_label_that_comes_twice_is_not_read(verifier: Verifier, name: str) -> None:
    fields = signature(POLL)

    assert await broken_rule(verifier, with_fields(signed(), {name: fields[name]})) is Rule.MALFORMED


async def test_a_parameter_that_comes_twice_is_not_read(verifier: Verifier) -> None:
    fields = signature(POLL)
    fields["Signature-Input"] += f';keyid="{ENDED.id}"'

    assert await broken_rule(verifier, with_fields(POLL, fields)) is Rule.MALFORMED


@pytest.mark.parametrize("algorithm", ["HMAC-SHA256", "hmac-sha512", "none", "ed25519", "", 1, True])
async def test_another_algorithm_is_not_taken(verifier: Verifier, algorithm: object) -> None:
    assert await broken_rule(verifier, signed(said={**SAID, "alg": algorithm})) is Rule.ALGORITHM


@pytest.mark.parametrize("missing", COVERED)
async def test_each_required_component_has_to_be_covered(verifier: Verifier, missing: str) -> None:
    request = signed(covered=[one for one in COVERED if one != missing])

    assert await broken_rule(verifier, request) is Rule.COMPONENTS


async def test_nothing_covered_is_not_enough(verifier: Verifier) -> None:
    assert await broken_rule(verifier, signed(covered=())) is Rule.COMPONENTS


@pytest.mark.parametrize(
    "covered",
    [
        '"@status"',
        '"@signature-params"',
        '"@unheard-of"',
        '"@method";req',
        '"accept";req',
        '"accept";tr',
        '"accept";unheard-of',
        '"accept";sf',
        '"accept";bs;key="a"',
        '"accept";bs=?0',
        '"Accept"',
        '"x-not-there"',
        '"accept";key="not-there"',
        '"@query-param"',
        '"@query-param";name="not-there"',
        '"@query-param";name=wait',
        '"@method"',
        "accept",
        "1",
    ],
)
async def test_what_cannot_be_covered_is_refused(verifier: Verifier, covered: str) -> None:
    fields = signature(POLL)
    fields["Signature-Input"] = fields["Signature-Input"].replace(")", f" {covered})")

    assert await broken_rule(verifier, with_fields(POLL, fields)) is Rule.COMPONENTS


async def test_a_component_covered_twice_is_refused_though_its_parameters_are_turned_round(verifier: Verifier) -> None:
    fields = signature(with_fields(POLL, {"Priority": "u=1"}))
    doubled = ' "priority";sf;key="u" "priority";key="u";sf)'
    fields["Signature-Input"] = fields["Signature-Input"].replace(")", doubled)

    assert await broken_rule(verifier, with_fields(POLL, {**fields, "Priority": "u=1"})) is Rule.COMPONENTS


async def test_a_signature_over_too_many_components_is_refused(verifier: Verifier) -> None:
    names = {f"x-{number}": "1" for number in range(29)}
    fields = signature(POLL)
    fields["Signature-Input"] = fields["Signature-Input"].replace(")", "".join(f' "{name}"' for name in names) + ")")

    assert await broken_rule(verifier, with_fields(POLL, {**names, **fields})) is Rule.COMPONENTS


async def test_a_parameter_of_a_query_that_comes_twice_cannot_be_covered_by_itself(verifier: Verifier) -> None:
    twice = replace(POLL, raw_query=b"wait=1&wait=30")
    fields = signature(twice)
    fields["Signature-Input"] = fields["Signature-Input"].replace(")", ' "@query-param";name="wait")')

    assert await broken_rule(verifier, with_fields(twice, fields)) is Rule.COMPONENTS


async def test_a_body_has_to_be_covered(verifier: Verifier) -> None:
    uncovered = signed(with_fields(SUBMIT, {"Content-Digest": content_digest(BODY)}))

    assert await broken_rule(verifier, uncovered, has_body=True) is Rule.COMPONENTS


async def test_one_digest_of_several_does_not_cover_the_body(verifier: Verifier) -> None:
    request = with_fields(SUBMIT, {"Content-Digest": content_digest(BODY)})

    partly = signed(request, covered=(*COVERED, '"content-digest";key="sha-256"'))

    assert await broken_rule(verifier, partly, has_body=True) is Rule.COMPONENTS


async def test_another_digest_does_not_hold(verifier: Verifier) -> None:
    fields = signature(with_fields(SUBMIT, {"Content-Digest": content_digest(BODY)}), covered=WITH_DIGEST)

    other = with_fields(SUBMIT, {**fields, "Content-Digest": content_digest(b"other")})

    assert await broken_rule(verifier, other, has_body=True) is Rule.SIGNATURE


async def test_a_further_digest_added_on_the_way_does_not_hold(verifier: Verifier) -> None:
    digest = {"Content-Digest": content_digest(BODY)}
    fields = signature(with_fields(SUBMIT, digest), covered=WITH_DIGEST)

    added = with_fields(with_fields(SUBMIT, digest | fields), {"Content-Digest": "md5=:AAAA:"})

    assert await broken_rule(verifier, added, has_body=True) is Rule.SIGNATURE


@pytest.mark.parametrize("digest", ["md5=:AAAA:", "sha-256=:AAAA:", "sha-256=text", "sha-256", "=", "", "sha-256=1"])
async def test_a_digest_that_cannot_be_checked_is_refused_and_burns_nothing(
    verifier: Verifier, nonces: BurntNonces, digest: str
) -> None:
    request = signed(with_fields(SUBMIT, {"Content-Digest": digest}), covered=WITH_DIGEST)

    assert await broken_rule(verifier, request, has_body=True) is Rule.CONTENT_DIGEST
    assert not nonces.burnt


async def test_unknown_ended_and_wrong_keys_look_alike(verifier: Verifier) -> None:
    requests = [
        signed(said={**SAID, "keyid": "key_unknown"}),
        signed(said={**SAID, "keyid": ENDED.id}, secret=ENDED.secret),
        signed(secret=b"3" * 32),
    ]

    told: list[tuple[Rule, str]] = []
    for request in requests:
        with pytest.raises(InvalidSignature) as refused:
            await verifier.verify(request, has_body=False)
        told.append((refused.value.rule, refused.value.detail))

    assert len(set(told)) == 1
    assert told[0][0] is Rule.SIGNATURE


async def test_as_many_macs_are_computed_for_a_key_that_is_not_there_as_for_one_that_is(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[bytes] = []

    def counted(secret: bytes, base: bytes) -> bytes:
        computed.append(base)
        return mac(secret, base)

    monkeypatch.setattr("polling_api.signing.verifier.mac", counted)
    counts: list[int] = []
    for key_id in (OURS.id, ENDED.id, "key_unknown"):
        request = signed(said={**SAID, "keyid": key_id}, secret=b"another's")
        assert await broken_rule(verifier, request) is Rule.SIGNATURE
        counts.append(len(computed))
        computed.clear()

    assert len(set(counts)) == 1
    assert counts[0] > 0


async def test_a_key_is_good_until_the_instant_it_ends(verifier: Verifier, clock: StoppedClock) -> None:
    request = signed(said={**SAID, "keyid": ENDED.id}, secret=ENDED.secret)
    clock.now = NOW - 0.001

    assert (await verifier.verify(request, has_body=False)).key == ENDED


async def test_a_signature_by_one_key_does_not_hold_for_another(verifier: Verifier, keys: KnownKeys) -> None:
    keys.known["key_2"] = replace(OURS, id="key_2", client_id="client_2", secret=b"2" * 32)
    fields = signature(POLL)
    fields["Signature-Input"] = fields["Signature-Input"].replace(OURS.id, "key_2")

    assert await broken_rule(verifier, with_fields(POLL, fields)) is Rule.SIGNATURE


@pytest.mark.parametrize("key_id", [None, "", "k" * 129, 1, True, b"key_1"])
async def test_a_key_has_to_be_named_properly_or_is_not_looked_for(
    verifier: Verifier, keys: KnownKeys, key_id: object
) -> None:
    assert await broken_rule(verifier, signed(said={**SAID, "keyid": key_id})) is Rule.KEY_ID
    assert not keys.asked


@pytest.mark.parametrize("nonce", [None, "", "n" * 15, "n" * 129, 10**14, b"n" * 32])
async def test_a_nonce_of_another_length_or_kind_is_refused(verifier: Verifier, nonce: object) -> None:
    assert await broken_rule(verifier, signed(said={**SAID, "nonce": nonce})) is Rule.NONCE


@pytest.mark.parametrize("created", [None, True, str(int(NOW)), float(NOW), -1, 0, 10**14])
async def test_created_has_to_be_a_time_near_now(verifier: Verifier, created: object) -> None:
    assert await broken_rule(verifier, signed(said={**SAID, "created": created})) is Rule.CREATED


@pytest.mark.parametrize("expires", [True, "9999999999", 9e9])
async def test_expires_has_to_be_an_integer(verifier: Verifier, expires: object) -> None:
    assert await broken_rule(verifier, signed(said={**SAID, "expires": expires})) is Rule.EXPIRES


@pytest.mark.parametrize("said", ["created=1", 'nonce="mmmmmmmmmmmmmmmm"', "expires=9999999999", 'tag="x"'])
async def test_no_parameter_can_be_changed_or_added(verifier: Verifier, said: str) -> None:
    fields = signature(POLL, said={**SAID, "created": int(NOW) - 10})
    name = said.partition("=")[0]
    kept = [one for one in fields["Signature-Input"].split(";") if not one.startswith(f"{name}=")]
    fields["Signature-Input"] = ";".join([*kept, said.replace("created=1", f"created={int(NOW)}")])

    assert await broken_rule(verifier, with_fields(POLL, fields)) is Rule.SIGNATURE


async def test_a_nonce_is_good_once(verifier: Verifier) -> None:
    await verifier.verify(signed(), has_body=False)

    again = signed(replace(POLL, raw_query=b""), said={**SAID, "created": int(NOW) + 1})

    assert await broken_rule(verifier, again) is Rule.REPLAYED


async def test_where_only_this_node_can_be_asked_that_is_told(verifier: Verifier, nonces: BurntNonces) -> None:
    nonces.away = True

    assert (await verifier.verify(signed(), has_body=False)).burnt is Burnt.UNSURE
    assert await broken_rule(verifier, signed()) is Rule.REPLAYED


async def test_nobody_burns_a_nonce_without_the_key(verifier: Verifier, nonces: BurntNonces) -> None:
    await broken_rule(verifier, signed(secret=b"another's"))

    assert not nonces.burnt
    assert (await verifier.verify(signed(), has_body=False)).key == OURS


async def test_only_so_many_signatures_are_tried(verifier: Verifier, keys: KnownKeys) -> None:
    request = POLL
    for number in range(MOST_TRIED):
        request = with_fields(request, signature(POLL, label=f"other{number}", secret=b"another's"))

    assert await broken_rule(verifier, with_fields(request, signature(POLL))) is Rule.SIGNATURE
    assert len(keys.asked) == MOST_TRIED


async def test_signatures_that_cannot_be_ours_are_not_counted(verifier: Verifier, keys: KnownKeys) -> None:
    request = POLL
    for number in range(2 * MOST_TRIED):
        request = with_fields(request, signature(POLL, label=f"other{number}", said={**SAID, "alg": "ed25519"}))

    assert (await verifier.verify(with_fields(request, signature(POLL)), has_body=False)).key == OURS
    assert len(keys.asked) == 1


async def test_of_several_the_one_that_came_furthest_is_told(verifier: Verifier) -> None:
    request = signed(label="proxy", said={**SAID, "alg": "ed25519"})

    request = with_fields(request, signature(POLL, said={**SAID, "created": 1}))

    assert await broken_rule(verifier, request) is Rule.CREATED


async def test_an_oversized_field_is_not_read(verifier: Verifier) -> None:
    fields = signature(POLL)
    fields["Signature"] += ", other=:" + "A" * 8192 + ":"

    assert await broken_rule(verifier, with_fields(POLL, fields)) is Rule.MALFORMED


async def test_a_refusal_repeats_nothing_and_gives_nothing_away(verifier: Verifier) -> None:
    request = signed(secret=b"another's")
    with pytest.raises(InvalidSignature) as refused:
        await verifier.verify(request, has_body=False)

    told = f"{refused.value.detail} {www_authenticate(refused.value.rule)}"
    assert refused.value.code == "invalid_signature"
    for secret in (OURS.id, "another's", SAID["nonce"], "node-7", "polling.example", "300"):
        assert secret not in told


def test_a_challenge_names_the_scheme_and_the_rule() -> None:
    assert www_authenticate(Rule.MISSING) == 'Signature realm="polling-api"'
    assert www_authenticate(Rule.NONCE) == 'Signature realm="polling-api", error="invalid_signature", rule="nonce"'
    assert accept_signature(has_body=False) != accept_signature(has_body=False)


def test_a_key_shows_its_secret_to_no_log() -> None:
    assert OURS.secret.decode() not in repr(Verified(OURS, None, Burnt.FRESH))
