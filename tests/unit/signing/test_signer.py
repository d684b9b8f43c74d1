import pytest

from in_process.signed_requests import NOW, POLL, with_fields
from polling_api.signing.canonical import (
    DigestCheck,
    Malformed,
    NotCoverable,
    RequestHead,
    content_digest,
    read_content_digest,
    read_signature_inputs,
    sign,
)
from polling_api.signing.claims import LEAST_NONCE, MOST_NONCE


def said(fields: dict[str, str]) -> tuple[list[str], dict[str, object]]:
    (signed,) = read_signature_inputs([fields["Signature-Input"].encode()]).values()
    return [component.name for component in signed.components], dict(signed.parameters)


def test_a_request_without_a_body_is_signed_over_its_target_alone() -> None:
    fields = sign(POLL, key_id="k", secret=b"s", now=NOW + 0.9)

    covered, parameters = said(fields)
    assert set(fields) == {"Signature-Input", "Signature"}
    assert covered == ["@method", "@authority", "@path", "@query"]
    assert parameters | {"nonce": ""} == {"created": int(NOW), "keyid": "k", "alg": "hmac-sha256", "nonce": ""}


def test_each_signature_has_a_nonce_of_its_own() -> None:
    nonces = {str(said(sign(POLL, key_id="k", secret=b"s", now=NOW))[1]["nonce"]) for _ in range(100)}

    assert len(nonces) == 100
    assert all(LEAST_NONCE <= len(nonce) <= MOST_NONCE for nonce in nonces)


def test_a_body_is_covered_by_its_digest() -> None:
    fields = sign(POLL, key_id="k", secret=b"s", now=NOW, body=b"body")

    assert fields["Content-Digest"] == content_digest(b"body")
    assert "content-digest" in said(fields)[0]


def test_a_digest_that_was_made_before_is_covered_and_not_made_again() -> None:
    streamed = with_fields(POLL, {"Content-Digest": content_digest(b"body")})

    fields = sign(streamed, key_id="k", secret=b"s", now=NOW, body=b"body", also=["content-digest"])

    assert "Content-Digest" not in fields
    assert said(fields)[0].count("content-digest") == 1


def test_what_is_asked_for_is_said() -> None:
    fields = sign(POLL, key_id="k", secret=b"s", now=NOW, also=["accept"], nonce="n" * 16, expires=7, label="mine")

    covered, parameters = said(fields)
    assert covered[-1] == "accept"
    assert (parameters["nonce"], parameters["expires"]) == ("n" * 16, 7)
    assert fields["Signature"].startswith("mine=:")


def test_a_field_that_is_not_there_cannot_be_signed() -> None:
    with pytest.raises(NotCoverable):
        sign(POLL, key_id="k", secret=b"s", now=NOW, also=["x-not-there"])


@pytest.mark.parametrize(
    ("url", "authority", "path", "query"),
    [
        ("http://Polling.Example:80/a?b", "polling.example", b"/a", b"b"),
        ("https://polling.example:443", "polling.example", b"/", b""),
        ("https://user:word@polling.example:80/%2F/../a?", "polling.example:80", b"/%2F/../a", b""),
        ("http://[::1]:8000/?a=b?c", "[::1]:8000", b"/", b"a=b?c"),
    ],
)
def test_a_url_is_taken_as_it_will_be_sent(url: str, authority: str, path: bytes, query: bytes) -> None:
    head = RequestHead.to("GET", url)

    assert (head.authority, head.raw_path, head.raw_query) == (authority, path, query)


@pytest.mark.parametrize(
    "url",
    ["/path", "polling.example", "http://", "http://a/ b", "http://a/\n", "http://a:x/", "http://[::1", "http://é/"],
)
def test_a_url_that_is_not_absolute_and_encoded_is_refused(url: str) -> None:
    with pytest.raises(Malformed):
        RequestHead.to("GET", url)


def test_all_known_digests_have_to_match() -> None:
    right, wrong = content_digest(b"body"), "sha-512=:" + "A" * 86 + "==:"
    check = DigestCheck(read_content_digest([right.encode(), wrong.encode()]))

    check.update(b"body")

    assert not check.matches()


def test_a_part_of_a_body_or_none_of_it_does_not_match() -> None:
    check = DigestCheck(read_content_digest([content_digest(b"body").encode()]))
    assert not check.matches()

    check.update(b"bod")
    assert not check.matches()

    check.update(b"y")
    assert check.matches()
    assert check.matches()  # asking changes nothing


def test_no_body_matches_the_digest_of_none() -> None:
    assert DigestCheck(read_content_digest([content_digest(b"").encode()])).matches()
