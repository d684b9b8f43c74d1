"""Taking in a batch's requests, one by one, in either format."""

import asyncio
from hashlib import blake2b
from time import monotonic

from msgspec import Raw

from polling_api.api.submission.codes import Code
from polling_api.api.submission.draft import Draft
from polling_api.api.submission.findings import BODY, Findings, Place, echo
from polling_api.api.submission.options import Options
from polling_api.api.submission.reading import (
    MOST_LEVELS,
    Members,
    holds_null_character,
    is_nested_too_deeply,
    read_string,
)
from polling_api.api.submission.rules import LONGEST_CUSTOM_ID, Rules
from polling_api.api.submission.spool import Spool

# Other requests' turn comes at least this often. Well under what a poller would notice.
LONGEST_TURN = 0.005  # seconds

_LINE_BREAKS = str.maketrans("\r\n", "  ")


class Intake:
    """Checks each request, and spools it."""

    def __init__(self, rules: Rules, findings: Findings, spool: Spool) -> None:
        self._rules = rules
        self._findings = findings
        self._spool = spool
        self._total = 0
        # Digests, not the names: 50,000 of those may be 100 MB.
        self._seen: dict[bytes, Place] = {}
        self._turn_began = monotonic()

    async def take(self, members: Members, place: Place) -> None:
        """Take the next request in.

        Raises:
            Invalid: it is one too many, or enough rules are broken to stop here.
            Unavailable: the spool cannot be written.
        """
        self._count(place)
        custom_id = self._custom_id(members.get("custom_id"), place / "custom_id")
        body = self._body(members.get("body"), place / "body")
        if custom_id is not None and body is not None:
            self._spool.append(custom_id, body)
        await self._spool.drain()
        await self.rest()

    async def rest(self) -> None:
        """Let other requests have their turn, if this one's has been long enough."""
        if monotonic() - self._turn_began > LONGEST_TURN:
            await asyncio.sleep(0)
            self._turn_began = monotonic()

    async def finish(self, endpoint: str, options: Options) -> Draft:
        """The draft, if all is well.

        Raises:
            Invalid: something was found, or there was no request.
            Unavailable: the spool cannot be written.
        """
        self._findings.settle()
        if not self._total:
            self._findings.add(Code.EMPTY_BATCH, BODY, "There is no request in the batch.")
            self._findings.settle()
        await self._spool.drain(everything=True)
        return Draft(
            endpoint=endpoint,
            metadata=options.metadata,
            expires_in=options.expires_in,
            total=self._total,
            webhook=options.webhook,
            spool=self._spool,
        )

    def _count(self, place: Place) -> None:
        if self._total == self._rules.max_requests:
            most = self._rules.max_requests
            self._findings.add(Code.TOO_MANY_REQUESTS_IN_BATCH, place, f"A batch has at most {most} requests.")
            self._findings.settle()
        self._total += 1

    def _custom_id(self, text: Raw | None, place: Place) -> str | None:
        custom_id = read_string(text)
        if custom_id is None or not 1 <= len(custom_id) <= LONGEST_CUSTOM_ID:
            self._findings.add(
                Code.INVALID_REQUEST,
                place,
                f"A string of 1 to {LONGEST_CUSTOM_ID} characters is expected here.",
            )
            return None
        if "\0" in custom_id:
            self._findings.add(Code.NULL_CHARACTER, place, "The character U+0000 is not taken.")
        first = self._seen.setdefault(blake2b(custom_id.encode(), digest_size=16).digest(), place)
        if first is not place:
            self._findings.add(
                Code.DUPLICATE_CUSTOM_ID,
                place,
                f'"{echo(custom_id)}" is the custom_id at {first} and at {place}.',
            )
        return custom_id

    def _body(self, text: Raw | None, place: Place) -> str | None:
        octets = b"" if text is None else bytes(text)
        if not octets.startswith(b"{"):
            self._findings.add(Code.INVALID_REQUEST, place, "An object is expected here.")
            return None
        body = octets.decode()
        if holds_null_character(body):
            self._findings.add(Code.NULL_CHARACTER, place, "The character U+0000 is not taken.")
        if is_nested_too_deeply(body):
            self._findings.add(Code.NESTED_TOO_DEEPLY, place, f"At most {MOST_LEVELS} levels are taken.")
        # JSON has line breaks between tokens only, never inside a string.
        return body.translate(_LINE_BREAKS) if "\n" in body or "\r" in body else body
