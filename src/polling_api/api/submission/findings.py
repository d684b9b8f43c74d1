"""What is wrong with a submission, and where."""

from dataclasses import dataclass
from typing import NoReturn

from polling_api.api.submission.codes import Code
from polling_api.errors import BadRequest, FieldError, Invalid

# Enough to see a pattern in what is wrong; a bound on the answer's size, and on work for a batch that is
# refused.
MOST_FINDINGS = 20

# A name or value of the caller's that is repeated to them is cut here: it may be a megabyte long.
LONGEST_ECHO = 60


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a submission: a JSON Pointer (RFC 6901), inside a line where the format has lines."""

    path: str = ""
    line: int | None = None

    def __truediv__(self, member: str | int) -> "Place":
        """The place of a member, or of an item, of what stands here."""
        token = echo(str(member)).replace("~", "~0").replace("/", "~1")
        return Place(f"{self.path}/{token}", self.line)

    def __str__(self) -> str:
        if self.line is None:
            return self.path
        return f"line {self.line} {self.path}" if self.path else f"line {self.line}"


BODY = Place()


class Findings:
    """Collects broken rules, so that a caller can mend many at a time."""

    def __init__(self) -> None:
        self._errors: list[FieldError] = []
        self._codes: set[Code] = set()

    def add(self, code: Code, place: Place, message: str) -> None:
        """Note one broken rule.

        Raises:
            Invalid: this was the last that is collected.
        """
        self._errors.append(FieldError(str(place), message))
        self._codes.add(code)
        if len(self._errors) == MOST_FINDINGS:
            self._refuse(f"At least {MOST_FINDINGS} rules are broken, and reading stopped there; the first: ")

    def settle(self) -> None:
        """Go on if nothing is wrong.

        Raises:
            Invalid: something is; its code is the one that all findings share, else `invalid_request`.
        """
        if self._errors:
            count = len(self._errors)
            self._refuse("" if count == 1 else f"{count} rules are broken; the first: ")

    def _refuse(self, count: str) -> NoReturn:
        first = self._errors[0]
        code = next(iter(self._codes)) if len(self._codes) == 1 else Code.INVALID_REQUEST
        raise Invalid(f"{count}{first.pointer or 'the body'}: {first.message}", code=code, errors=self._errors)


def malformed(place: Place, reason: str) -> BadRequest:
    """The error for text that is not JSON: nothing after it can be trusted, so it is never collected."""
    where = f"Line {place.line}" if place.line else "The body"
    return BadRequest(
        f"{where} is not JSON: {reason}.", code=Code.MALFORMED_JSON, errors=[FieldError(str(place), reason)]
    )


def echo(text: str) -> str:
    """A caller's own words, cut to what is fit to be repeated."""
    return text if len(text) <= LONGEST_ECHO else f"{text[:LONGEST_ECHO]}…"
