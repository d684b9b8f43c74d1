r"""A batch as lines (NDJSON), in the OpenAI batch input format, with an optional first line of options.

    {"object":"job.options","metadata":{"film":"yes"},"expires_in":3600}
    {"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o-mini"}}

Lines end in `\n` or `\r\n`, the last one need not. Blank lines are skipped, as the NDJSON specification
allows, and counted: `line 37` is what an editor shows as line 37.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, aclosing

from polling_api.api.submission.codes import Code
from polling_api.api.submission.draft import Draft
from polling_api.api.submission.findings import Findings, Place, echo
from polling_api.api.submission.intake import Intake
from polling_api.api.submission.options import OPTIONS, Options, check_endpoint, read_options
from polling_api.api.submission.reading import Members, decode_utf8, read_object, read_string
from polling_api.api.submission.rules import Rules
from polling_api.api.submission.spool import Spool, anonymous_file
from polling_api.api.submission.webhook import refuse_unknown
from polling_api.errors import TooLarge

_OPTIONS_LINE = OPTIONS | {"object"}
_REQUEST_LINE = frozenset({"custom_id", "method", "url", "body"})


async def read_lines(chunks: AsyncIterator[bytes], rules: Rules) -> Draft:
    """Read and check a batch in lines, one line in memory at a time.

    Args:
        chunks: the body. Its sender's pace is bounded by the server, not here.
        rules: the bounds.

    Returns:
        The draft, which the caller closes.

    Raises:
        BadRequest: a line is not JSON (`malformed_json`).
        Invalid: rules are broken; up to 20 are named.
        TooLarge: as soon as a line or the whole passes its bound; the rest is left unread.
        Unavailable: there is no room to spool it.
    """
    with ExitStack() as on_failure:
        batch = _Batch(rules, on_failure.enter_context(Spool(anonymous_file())))
        async with aclosing(split_lines(chunks, rules)) as lines:
            async for number, line in lines:
                await batch.take(number, line)
        draft = await batch.finish()
        on_failure.pop_all()
    return draft


async def split_lines(chunks: AsyncIterator[bytes], rules: Rules) -> AsyncGenerator[tuple[int, bytes], None]:
    """Cut chunks into numbered lines, without their newlines; the same lines wherever the chunks were cut.

    Raises:
        TooLarge: a line or the whole is over its bound, after every line that ended before that point.
    """
    number, room, pending = 1, rules.max_batch_bytes, bytearray()
    async for chunk in chunks:
        start, within = 0, chunk[:room]
        while (end := within.find(b"\n", start)) >= 0:
            pending += within[start:end]
            _bound_line(pending, number, rules)
            yield number, bytes(pending)
            pending.clear()
            start, number = end + 1, number + 1
        pending += within[start:]
        _bound_line(pending, number, rules)
        room -= len(chunk)
        if room < 0:
            raise TooLarge(f"A batch has at most {rules.max_batch_bytes} bytes; they end in line {number}.")
    if pending:
        yield number, bytes(pending)


def _bound_line(line: bytearray, number: int, rules: Rules) -> None:
    if len(line) > rules.max_line_bytes:
        raise TooLarge(f"Line {number} is over {rules.max_line_bytes} bytes, the most that a line may have.")


class _Batch:
    """What the lines so far have said."""

    def __init__(self, rules: Rules, spool: Spool) -> None:
        self._rules = rules
        self._findings = Findings()
        self._intake = Intake(rules, self._findings, spool)
        self._options = Options()
        self._first = True
        self._blank = 0
        self._endpoint: str | None = None
        self._endpoint_at = Place()

    async def take(self, number: int, line: bytes) -> None:
        place = Place(line=number)
        if not line.strip(b" \t\r"):
            self._skip_blank(place)
            await self._intake.rest()
            return
        members = read_object(decode_utf8(line, place), place, self._findings)
        if members is not None and self._first and read_string(members.get("object")) == "job.options":
            self._take_options(members, place)
        elif members is not None:
            self._check_request(members, place)
            await self._intake.take(members, place)
        self._first = False

    async def finish(self) -> Draft:
        return await self._intake.finish(self._endpoint or self._rules.endpoints[0], self._options)

    def _skip_blank(self, place: Place) -> None:
        self._blank += 1
        if self._blank > self._rules.max_requests:
            most = self._rules.max_requests
            self._findings.add(Code.TOO_MANY_REQUESTS_IN_BATCH, place, f"A batch has at most {most} blank lines.")
            self._findings.settle()

    def _take_options(self, members: Members, place: Place) -> None:
        refuse_unknown(members, _OPTIONS_LINE, place, self._findings)
        self._options = read_options(members, place, self._rules, self._findings)
        self._endpoint, self._endpoint_at = self._options.endpoint, place / "endpoint"

    def _check_request(self, members: Members, place: Place) -> None:
        refuse_unknown(members, _REQUEST_LINE, place, self._findings)
        if read_string(members.get("method")) != "POST":
            self._findings.add(Code.INVALID_REQUEST, place / "method", 'The method is "POST".')
        self._check_url(read_string(members.get("url")), place / "url")

    def _check_url(self, url: str | None, place: Place) -> None:
        if url is None:
            self._findings.add(Code.INVALID_REQUEST, place, "A string is expected here.")
        elif self._endpoint is None:
            self._endpoint, self._endpoint_at = url, place
            check_endpoint(url, place, self._rules, self._findings)
        elif url != self._endpoint:
            known = f'"{echo(self._endpoint)}" at {self._endpoint_at}'
            self._findings.add(Code.DIFFERENT_ENDPOINTS, place, f'"{echo(url)}" differs from {known}.')
