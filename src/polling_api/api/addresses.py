"""Ids in addresses, where words of ours may stand in their place."""

from starlette.convertors import Convertor, register_url_convertor

# What stands right after the path of a set where the id of a job would: `/api/v1/jobs/events`.
WORDS = ("events", "batch-get")


class IdConvertor(Convertor[str]):
    """One segment of a path, unless it is one of our words.

    Otherwise `DELETE /api/v1/jobs/events` would be about a job of that name, and answered `404` where `405` is right.
    """

    regex = f"(?!(?:{'|'.join(WORDS)})(?:/|$))[^/]+"

    def convert(self, value: str) -> str:
        """The segment as it is."""
        return value

    def to_string(self, value: str) -> str:
        """The same."""
        return value


register_url_convertor("id", IdConvertor())

ONE_JOB = "/{job_id:id}"
