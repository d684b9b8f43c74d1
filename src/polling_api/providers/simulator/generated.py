"""The files that a batch has at its end, found by their ids; their bytes are made while they are read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from polling_api.providers.simulator.course import BatchRecord, BatchState, state_at
from polling_api.providers.simulator.folder import Folder
from polling_api.providers.simulator.input import lines_of
from polling_api.providers.simulator.objects import (
    FileRecord,
    error_file_id,
    has_errors,
    has_output,
    output_file_id,
)
from polling_api.providers.simulator.outputs import error_file, output_file


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """One such file: `lines` gives its lines afresh each time, and blocks while it reads the input."""

    id: str
    number: int
    created_at: float
    lines: Callable[[], Iterator[bytes]]

    def record(self, *, size: int = 0) -> FileRecord:
        """The file's record."""
        return FileRecord(
            id=self.id,
            number=self.number,
            filename=f"{self.id}.jsonl",
            purpose="batch_output",
            bytes=size,
            created_at=self.created_at,
        )

    def measured(self) -> FileRecord:
        """The file's record with its size: found by making it all, which takes seconds at 50,000 items."""
        return self.record(size=sum(map(len, self.lines())))


def generated_files(folder: Folder, now: float) -> Sequence[GeneratedFile]:
    """The files of all batches that have ended, oldest batch first."""
    return [file for record in folder.batches.values() for file in files_of(folder, record, now)]


def files_of(folder: Folder, record: BatchRecord, now: float) -> Sequence[GeneratedFile]:
    """The files of one batch: none before its end, and none that was deleted."""
    state = state_at(record, now)
    ids = {
        output_file_id(record): (has_output(state), output_file),
        error_file_id(record): (has_errors(record, state), error_file),
    }
    return [
        _generated(folder, record, state, file_id, write)
        for file_id, (there, write) in ids.items()
        if there and not folder.was_deleted(file_id)
    ]


def _generated(
    folder: Folder,
    record: BatchRecord,
    state: BatchState,
    file_id: str,
    write: Callable[[BatchRecord, BatchState, Iterator[bytes]], Iterator[bytes]],
) -> GeneratedFile:
    source = folder.content_path(record.input_file_id)
    ended = float(state.entered[state.status])
    return GeneratedFile(file_id, record.number, ended, lambda: write(record, state, lines_of(source)))
