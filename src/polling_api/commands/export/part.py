"""A download that is not whole: `FILE.part`, with `FILE.part.json` beside it, which says whose results it holds.

It is renamed to `FILE` when it is whole, so that whatever is called `FILE` is. A process that is killed leaves at most
a torn last line, which the next one cuts off.
"""

import fcntl
import json
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec

from polling_api.commands.export.errors import WrongFile

_ITEM = re.compile(rb'\{"index":(\d+)[,}]')


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose results a file holds: a job's, those with an outcome or all; `tag` is their entity tag as a whole."""

    job: str
    outcome: str | None
    tag: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a file holds, in whole lines.

    Attributes:
        bytes: up to the end of the last result.
        items: how many results.
        last: the index of the last one; None where there is none.
        end: what the line after them says, where it is no result: that it is all, or why it is not.
    """

    bytes: int = 0
    items: int = 0
    last: int | None = None
    end: dict[str, Any] | None = None

    @property
    def count(self) -> int | None:
        """How many items the whole job has, as the end of a whole download says; None where it is not whole."""
        return self.end.get("count") if self.end and self.end.get("object") == "results.end" else None

    @property
    def cut(self) -> dict[str, Any] | None:
        """What the service said as it broke the download off: a code and a message."""
        return self.end if self.end and self.end.get("object") == "results.cut" else None


class Part:
    """The file that a download is written to; a context in which nobody else writes it.

    Args:
        file: where the whole will be.
        wanted: whose results.

    Attributes:
        held: what is in it.

    Entering it raises:
        WrongFile: the whole is there already, or what is in its place holds something else, or is being written.
        OSError: it cannot be written.
    """

    def __init__(self, file: Path, wanted: Wanted) -> None:
        self.held = Held()
        self._file = file
        self._part = file.with_name(f"{file.name}.part")
        self._told = file.with_name(f"{file.name}.part.json")
        self._wanted = wanted
        self._open: IO[bytes] | None = None

    def __enter__(self) -> Self:
        if self._file.exists():
            raise WrongFile(f"{self._file} is there already, and is not written over: delete it, or name another file.")
        opened = self._part.open("a+b")
        try:
            self._lock(opened)
            self._require_ours(opened)
            self._open = opened
            self.rewind()
        except BaseException:
            opened.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def write(self, some: bytes) -> None:
        """Append what came."""
        self._opened.write(some)

    def rewind(self) -> None:
        """Look at what was written, and cut off what is no whole result, so that a further download can follow.

        Raises:
            WrongFile: it is none of ours.
        """
        file = self._opened
        file.flush()
        file.seek(self.held.bytes)
        self.held = replace(self.held, end=None)
        for line in file:
            if not line.endswith(b"\n"):
                break
            self.held = self._with(line)
            if self.held.end is not None:
                break
        if self.held.count is None:
            file.truncate(self.held.bytes)

    def finish(self) -> None:
        """Give the whole its name, for good."""
        self._opened.flush()
        os.fsync(self._opened.fileno())
        self._part.rename(self._file)
        self._told.unlink(missing_ok=True)

    @property
    def _opened(self) -> IO[bytes]:
        assert self._open is not None  # noqa: S101 - it is a context
        return self._open

    def _with(self, line: bytes) -> Held:
        held = self.held
        found = _ITEM.match(line)
        if found is None:
            return replace(held, end=self._read(line))
        index, after = int(found[1]), -1 if held.last is None else held.last
        follows = index == after + 1 if self._wanted.outcome is None else index > after
        if not follows:
            raise WrongFile(f"{self._part} is damaged: result {index} follows {after}. Delete it, and begin anew.")
        return replace(held, bytes=held.bytes + len(line), items=held.items + 1, last=index)

    def _read(self, line: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.MsgspecError:
            problem = f"{self._part} is damaged: it has a line that is no result. Delete it, and begin anew."
            raise WrongFile(problem) from None

    def _lock(self, opened: IO[bytes]) -> None:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WrongFile(f"{self._part} is being written by another export.") from None

    def _require_ours(self, opened: IO[bytes]) -> None:
        if opened.tell() == 0:
            self._told.write_text(json.dumps(asdict(self._wanted)))
            return
        try:
            told = Wanted(**json.loads(self._told.read_text()))
        except (OSError, ValueError, TypeError):
            raise WrongFile(f"{self._part} is there, and {self._told} does not say whose results it holds.") from None
        if told != self._wanted:
            raise WrongFile(f"{self._part} holds {_difference(told, self._wanted)}. Delete it, or name another file.")


def _difference(told: Wanted, wanted: Wanted) -> str:
    if told.job != wanted.job:
        return f"results of {told.job}, not of {wanted.job}"
    if told.outcome != wanted.outcome:
        return f"results with the outcome {told.outcome or 'any'}, not {wanted.outcome or 'any'}"
    return f"other results of {told.job} than the service has now"
