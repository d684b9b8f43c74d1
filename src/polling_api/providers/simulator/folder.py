"""What the simulator keeps, on disk: it is found again after a restart.

    files/<id>.jsonl    the bytes of an upload, written beside and renamed when whole
    files/<id>.json     its record
    batches/<id>.json   one batch's record

Records are small, held in memory too, and written by rename, so that a crash leaves the old one or the new
one.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError

from polling_api.providers.simulator.course import BatchRecord
from polling_api.providers.simulator.errors import ApiError
from polling_api.providers.simulator.objects import FILE_KEPT, FileRecord

MOST_BYTES = 200 * 1024 * 1024  # OpenAI's bound on a batch's input file
_COPY_AT_ONCE = 1024 * 1024  # bytes

_FILES = TypeAdapter(FileRecord)
_BATCHES = TypeAdapter(BatchRecord)

_log = structlog.get_logger(__name__)

T = TypeVar("T", FileRecord, BatchRecord)


class Folder:
    """The files and batches of one simulator; what is 30 days old is dropped, as OpenAI does.

    Args:
        path: made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._files_path, self._batches_path = path / "files", path / "batches"
        for folder in (self._files_path, self._batches_path):
            folder.mkdir(parents=True, exist_ok=True)
        self._files = _load(self._files_path, _FILES)
        self._batches = _load(self._batches_path, _BATCHES)
        self._last_number = max(
            (record.number for record in (*self._files.values(), *self._batches.values())), default=0
        )

    @property
    def files(self) -> Mapping[str, FileRecord]:
        """Files that were not deleted, oldest first."""
        return {file.id: file for file in self._files.values() if not file.deleted}

    @property
    def batches(self) -> Mapping[str, BatchRecord]:
        """Batches, oldest first."""
        return self._batches

    def was_deleted(self, file_id: str) -> bool:
        """Whether there was such a file."""
        file = self._files.get(file_id)
        return file is not None and file.deleted

    def next_number(self) -> int:
        """A number above all that were given."""
        self._last_number += 1
        return self._last_number

    def content_path(self, file_id: str) -> Path:
        """Where a file's bytes are, deleted or not."""
        return self._files_path / f"{self._files[file_id].id}.jsonl"

    def receive(self, source: IO[bytes]) -> tuple[str, int]:
        """Write an upload; blocks. It is no file until `keep_file` is called.

        Returns:
            The new file's id, and its size in bytes.

        Raises:
            ApiError: it is over 200 MB.
        """
        file_id = f"file-{secrets.token_hex(12)}"
        partial = self._files_path / f"{file_id}.partial"
        try:
            size = _copy(source, partial)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        partial.replace(self._files_path / f"{file_id}.jsonl")
        return file_id, size

    def keep_file(self, file: FileRecord) -> None:
        """Store a file's record."""
        self._drop_old(file.created_at)
        _write(self._files_path / f"{file.id}.json", _FILES.dump_json(file))
        self._files[file.id] = file

    def delete_file(self, file: FileRecord) -> None:
        """Show a file no more; its bytes stay as long as a batch's answers are made from them."""
        self.keep_file(replace(file, deleted=True))

    def keep_batch(self, batch: BatchRecord) -> None:
        """Store a batch's record, new or changed."""
        _write(self._batches_path / f"{batch.id}.json", _BATCHES.dump_json(batch))
        self._batches[batch.id] = batch

    def _drop_old(self, now: float) -> None:
        for batch in list(_older(self._batches, now - FILE_KEPT)):
            del self._batches[batch.id]
            (self._batches_path / f"{batch.id}.json").unlink(missing_ok=True)
        used = {batch.input_file_id for batch in self._batches.values()}
        for file in list(_older(self._files, now - FILE_KEPT)):
            if file.id not in used:
                self._remove_file(file)

    def _remove_file(self, file: FileRecord) -> None:
        del self._files[file.id]
        for ending in ("json", "jsonl"):
            (self._files_path / f"{file.id}.{ending}").unlink(missing_ok=True)


def _load(folder: Path, form: TypeAdapter[T]) -> dict[str, T]:
    records: list[T] = []
    for path in folder.glob("*.json"):
        try:
            records.append(form.validate_json(path.read_bytes()))
        except ValidationError:
            _log.warning("simulator_record_unreadable", name=path.name)
    return {record.id: record for record in sorted(records, key=lambda record: record.number)}


def _older(records: Mapping[str, T], than: float) -> Iterator[T]:
    return (record for record in records.values() if record.created_at < than)


def _copy(source: IO[bytes], target: Path) -> int:
    size = 0
    with target.open("wb") as file:
        while chunk := source.read(_COPY_AT_ONCE):
            size += len(chunk)
            if size > MOST_BYTES:
                raise ApiError(413, f"The file is over {MOST_BYTES} bytes.", param="file")
            file.write(chunk)
    return size


def _write(path: Path, text: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_bytes(text)
    partial.replace(path)
