"""The list of batches, newest first, page by page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from polling_api.providers.openai.calls import Calls
from polling_api.providers.openai.wire import job_id_of, members, moment, read_batch
from polling_api.providers.protocol import Batch, Unanswered

PAGE = 100  # batches; the most that the list gives at once
MOST_PAGES_TO_FIND = 50  # 5,000 batches: more, created since one submission began, are no account of this service
CLOCK_SKEW = timedelta(minutes=5)  # between our database and the provider: a page too many is cheap, a second batch not


@dataclass(frozen=True, slots=True)
class Page:
    """Entries as they came, since one may be garbled and the others good; `after` asks for the next page."""

    entries: Sequence[Mapping[str, object]]
    after: str | None


async def read_page(calls: Calls, after: str | None) -> Page:
    """Read one page.

    Raises:
        Unanswered: there was no page in the answer.
    """
    params = {"limit": str(PAGE)} | ({"after": after} if after else {})
    answer = await calls.retried("list", "GET", "/batches", params=params)
    listed = members(answer.body).get("data")
    if answer.refused or not isinstance(listed, list):
        raise Unanswered(f"The provider gave no list of batches ({answer.status}).")
    entries = [members(entry) for entry in cast("list[object]", listed)]
    last = entries[-1].get("id") if entries and members(answer.body).get("has_more") is not False else None
    return Page(entries, last if isinstance(last, str) else None)


async def find(calls: Calls, job_id: str, created_after: datetime) -> Batch | None:
    """Look through the list for the batch that carries `job_id`, down to those older than `created_after`.

    Raises:
        Unanswered: it cannot be said whether there is one: the list could not be read, or not to its end.
    """
    oldest, after = created_after - CLOCK_SKEW, None
    for _ in range(MOST_PAGES_TO_FIND):
        page = await read_page(calls, after)
        for entry in page.entries:
            if job_id_of(entry) == job_id:
                return read_batch(entry)
            if not isinstance(entry.get("id"), str):  # it might be the one
                raise Unanswered("The provider's list of batches has an entry that cannot be read.")
        if any(_created_before(entry, oldest) for entry in page.entries) or page.after is None:
            return None
        after = page.after
    raise Unanswered(f"More than {MOST_PAGES_TO_FIND * PAGE} batches were created since {oldest:%Y-%m-%d %H:%M}.")


def _created_before(entry: Mapping[str, object], oldest: datetime) -> bool:
    created = moment(entry.get("created_at"))
    return created is not None and created < oldest
