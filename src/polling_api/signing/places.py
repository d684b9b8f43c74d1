"""Where a request may have been sent, for all that a node can know of the proxies before it. Pure."""

import re
from collections.abc import Iterable
from functools import lru_cache

from polling_api.signing.canonical import Place

_DEFAULT_PORT = re.compile(r":(?:80|443)?\Z")
_PORT = re.compile(r":[0-9]*\Z")


def public_authorities(authorities: Iterable[str]) -> tuple[str, ...]:
    """Names that the service has outside, in the forms in which they may be signed.

    Args:
        authorities: hosts with their ports where these are not the default ones, as in the settings.
    """
    return tuple(form for authority in authorities for form in _forms(authority.strip().lower()))


@lru_cache(maxsize=256)  # a node is known by few names; what clients make up pushes out no more than this
def places(seen: Place, public: tuple[str, ...]) -> tuple[Place, ...]:
    """Where the client may have sent a request, the likeliest first, none twice.

    `Host` is what it says itself, with or without a default port: which one that is depends on a scheme that a
    proxy may have ended. Under a public name of ours it may have come by TLS, or by the scheme that we see.

    Args:
        seen: where it came in.
        public: from `public_authorities`.
    """
    found = [Place(seen.scheme, form) for form in _forms(seen.authority)]
    found += [Place(one, authority) for authority in public for one in ("https", seen.scheme)]
    return tuple(dict.fromkeys(found))


def _forms(authority: str) -> tuple[str, ...]:
    if bare := _DEFAULT_PORT.search(authority):
        return authority, authority[: bare.start()]
    return (authority,) if _PORT.search(authority) else (authority, f"{authority}:80", f"{authority}:443")
