"""A batch as one JSON object: `{"requests":[{"custom_id","body"},…],"endpoint","metadata","expires_in"}`."""

from collections.abc import AsyncIterator
from contextlib import ExitStack

from msgspec import Raw

from polling_api.api.submission.codes import Code
from polling_api.api.submission.draft import Draft
from polling_api.api.submission.findings import BODY, Findings
from polling_api.api.submission.intake import Intake
from polling_api.api.submission.options import OPTIONS, read_options
from polling_api.api.submission.reading import Members, decode_utf8, read_array, read_object
from polling_api.api.submission.rules import Rules
from polling_api.api.submission.spool import Spool, anonymous_file
from polling_api.api.submission.webhook import refuse_unknown
from polling_api.errors import TooLarge

_MEMBERS = OPTIONS | {"requests"}
_REQUEST = frozenset({"custom_id", "body"})
_REQUESTS = BODY / "requests"


async def read_json(chunks: AsyncIterator[bytes], rules: Rules) -> Draft:
    """Read and check a batch in JSON, held in memory whole.

    Args:
        chunks: the body. Its sender's pace is bounded by the server, not here.
        rules: the bounds.

    Returns:
        The draft, which the caller closes.

    Raises:
        BadRequest: not JSON (`malformed_json`).
        Invalid: rules are broken; up to 20 are named.
        TooLarge: as soon as the bound is passed; the rest is left unread.
        Unavailable: there is no room to spool it.
    """
    body = await _collect(chunks, rules.max_json_bytes)
    findings = Findings()
    members = _members(decode_utf8(body, BODY), findings)
    options = read_options(members, BODY, rules, findings)
    with ExitStack() as on_failure:
        intake = Intake(rules, findings, on_failure.enter_context(Spool(anonymous_file())))
        await _take_all(members.get("requests"), intake, findings)
        draft = await intake.finish(options.endpoint or rules.endpoints[0], options)
        on_failure.pop_all()
    return draft


async def _collect(chunks: AsyncIterator[bytes], most: int) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        if len(body) + len(chunk) > most:
            raise TooLarge(f"A JSON body has at most {most} bytes. Larger batches go as application/x-ndjson.")
        body += chunk
    return bytes(body)


def _members(text: str, findings: Findings) -> Members:
    members = read_object(text, BODY, findings) or {}
    findings.settle()
    refuse_unknown(members, _MEMBERS, BODY, findings)
    return members


async def _take_all(requests: Raw | None, intake: Intake, findings: Findings) -> None:
    if requests is None:
        findings.add(Code.INVALID_REQUEST, _REQUESTS, "An array of requests is expected here.")
        return
    for index, text in enumerate(read_array(requests, _REQUESTS, findings) or ()):
        place = _REQUESTS / index
        members = read_object(text, place, findings)
        if members is not None:
            refuse_unknown(members, _REQUEST, place, findings)
            await intake.take(members, place)
