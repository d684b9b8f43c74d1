"""Ids in addresses, where words of ours may stand in their place."""

from starlette.convertors import Convertor, register_url_convertor


class IdConvertor(Convertor[str]):
    """One segment of a path, unless it is one of our words.

    Otherwise `DELETE /api/v1/jobs/events` would be about a job of that name, and answered `404` where `405` is right.

    Args:
        words: that stand where an id would.
    """

    def __init__(self, *words: str) -> None:
        self._words = words

    @property
    def regex(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - nobody sets it
        """What a segment looks like."""
        return f"(?!(?:{'|'.join(self._words)})(?:/|$))[^/]+"

    def convert(self, value: str) -> str:
        """The segment as it is."""
        return value

    def to_string(self, value: str) -> str:
        """The same."""
        return value


register_url_convertor("job", IdConvertor("events", "batch-get"))
register_url_convertor("delivery", IdConvertor("replay"))

ONE_JOB = "/{job_id:job}"
ONE_DELIVERY = "/{delivery_id:delivery}"
