"""Why a signature is refused."""

from enum import StrEnum


class Rule(StrEnum):
    """The rule that a request broke, in the order in which they are looked at."""

    MISSING = "missing"
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    COMPONENTS = "components"
    KEY_ID = "keyid"
    NONCE = "nonce"
    CREATED = "created"
    EXPIRES = "expires"
    SIGNATURE = "signature"
    CONTENT_DIGEST = "content-digest"
    REPLAYED = "replayed"
    BODY = "body"


# They tell what is wrong and never what would be right: neither a value we computed nor whether there is such a key.
_SENTENCES = {
    Rule.MISSING: "The request is not signed.",
    Rule.MALFORMED: "The signature's fields cannot be read.",
    Rule.ALGORITHM: "The signature is of an algorithm that is not taken here.",
    Rule.COMPONENTS: "The signature does not cover what it has to, or covers what the request does not have.",
    Rule.KEY_ID: "The signature does not name a key, or not properly.",
    Rule.NONCE: "The signature has no nonce, or one of a wrong length.",
    Rule.CREATED: "The signature has no time of creation, or one too far from now.",
    Rule.EXPIRES: "The signature has expired, or its end cannot be read.",
    Rule.SIGNATURE: "The signature does not hold for this request, or its key is not good.",
    Rule.CONTENT_DIGEST: "The digest of the body cannot be read, or is by no algorithm that is taken here.",
    Rule.REPLAYED: "The nonce was used before.",
    Rule.BODY: "The body is not the one that was signed.",
}


class InvalidSignature(Exception):
    """A request is not signed by a client, as far as this node can tell. The API tells it, with its challenges.

    Args:
        rule: the one that it broke.
        detail: a closer sentence than the rule's own; it must repeat nothing of the request.
    """

    code = "invalid_signature"

    def __init__(self, rule: Rule, detail: str | None = None) -> None:
        self.detail = detail or _SENTENCES[rule]
        super().__init__(self.detail)
        self.rule = rule

    @property
    def reached(self) -> int:
        """How far it came: of several signatures, the one that came furthest says best what is wrong."""
        return list(Rule).index(self.rule)
