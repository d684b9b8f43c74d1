"""What a request that is not properly signed is answered with (RFC 9110, section 11.6.1; RFC 9421, section 5)."""

import secrets

from polling_api.signing.canonical import ALGORITHM
from polling_api.signing.claims import REQUIRED
from polling_api.signing.invalid import Rule

WWW_AUTHENTICATE = 'Signature realm="polling-api"'

_NONCE_BYTES = 24


def www_authenticate(rule: Rule) -> str:
    """The value of `WWW-Authenticate` for a request that broke `rule`."""
    return WWW_AUTHENTICATE if rule is Rule.MISSING else f'{WWW_AUTHENTICATE}, error="invalid_signature", rule="{rule}"'


def accept_signature(*, has_body: bool) -> str:
    """The value of `Accept-Signature`: a signature that would do, but for the key.

    Args:
        has_body: whether the request had a body.

    Returns:
        A dictionary of one member, with a fresh nonce: section 5.1 has no way to ask for "any nonce". Any other one,
        as any label, does as well.
    """
    covered = " ".join(f'"{name}"' for name in (*REQUIRED, *(["content-digest"] if has_body else [])))
    return f'sig1=({covered});created;alg="{ALGORITHM}";nonce="{secrets.token_urlsafe(_NONCE_BYTES)}"'
