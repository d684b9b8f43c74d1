"""`polling-api sign`: the header fields that sign one request, for whoever has a shell and no library."""

import base64
import binascii
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from polling_api.signing.canonical import RequestHead, sign


@dataclass(frozen=True, slots=True)
class Credentials:
    """With what a client signs."""

    key_id: str
    secret: bytes = field(repr=False)


class BadCredentials(Exception):
    """A file with which nobody can sign; the message says why."""


def kept_in(path: Path) -> Credentials:
    """The credentials in a file as `clients create --json` writes them.

    Raises:
        BadCredentials: there is no such file, or something else is in it.
    """
    try:
        kept = json.loads(path.read_text())
        return Credentials(kept["key_id"], base64.b64decode(kept["secret"], validate=True))
    except OSError as error:
        raise BadCredentials(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise BadCredentials(f"{path} does not hold what `polling-api clients create NAME --json` prints.") from None


def header_lines(credentials: Credentials, method: str, url: str, body: bytes) -> list[str]:
    """The lines that sign a request, as curl takes them with `-H @-`. They are good once, for five minutes.

    Raises:
        CanonicalError: the URL cannot be signed; says why.
    """
    head = RequestHead.to(method.upper(), url)
    made = sign(head, key_id=credentials.key_id, secret=credentials.secret, now=time.time(), body=body)
    return [f"{name}: {value}" for name, value in made.items()]
