"""Which codings of an answer a caller takes (RFC 9110, section 12.5.3)."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from starlette.types import Scope

from polling_api.api.requests import field
from polling_api.coding import GZIP, WORTHWHILE, ZSTD, Coding

LONGEST_KEPT: Final = 200  # bytes of a header that is remembered: a browser's has 23

_WEIGHED = re.compile(rb"\s*([!#$%&'*+.^_`|~0-9a-z-]+)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?", re.IGNORECASE)
_IDENTITY, _ANY = b"identity", b"*"
_ALIASES = {b"x-gzip": b"gzip"}  # section 8.4.1.3
_MADE = (ZSTD, GZIP)  # of equals the first: a quarter of the time, and fewer bytes


class Accepted(NamedTuple):
    """What an answer may be sent in.

    Attributes:
        best: the coding that is liked best; None where that is none at all, or where none of ours is taken.
        plain: whether the body is also taken as it is.
    """

    best: Coding | None
    plain: bool

    def coding_of(self, length: int) -> Coding | None:
        """In which coding a body of so many bytes is sent; None sends it as it is."""
        return self.best if length >= WORTHWHILE or not self.plain else None


PLAIN: Final = Accepted(None, plain=True)


def accepted_codings(scope: Scope) -> Accepted:
    """What a request's `Accept-Encoding` takes; a request without one is answered plainly."""
    value = field(scope, b"accept-encoding")
    if value is None:
        return PLAIN
    return _kept(value) if len(value) <= LONGEST_KEPT else read_codings(value)


def read_codings(value: bytes) -> Accepted:
    """What an `Accept-Encoding` takes; what cannot be read of it is passed over.

    Of codings with the same weight ours is preferred to none. A `*` stands for gzip, which everybody reads.
    """
    weights = _weights(value)
    others = weights.get(_ANY)
    plain = weights.get(_IDENTITY, 1.0 if others is None else others)
    offered = [(weights.get(coding.name.encode(), 0.0), coding) for coding in _MADE]
    if others is not None and GZIP.name.encode() not in weights:
        offered[-1] = (others, GZIP)
    weight, best = max(offered, key=lambda one: one[0])
    # An identity that is not named has no weight of its own, and is good enough where nothing better is.
    liked = weight > 0 and weight >= weights.get(_IDENTITY, 0.0)
    return Accepted(best if liked else None, plain > 0)


_kept = lru_cache(maxsize=256)(read_codings)  # clients send the same few


def _weights(value: bytes) -> dict[bytes, float]:
    weights: dict[bytes, float] = {}
    for part in value.split(b","):
        if found := _WEIGHED.fullmatch(part):
            name = found[1].lower()
            weights[_ALIASES.get(name, name)] = min(float(found[2] or 1), 1.0)
    return weights
