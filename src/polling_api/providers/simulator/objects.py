"""Batches and files as OpenAI's API shows them (https://platform.openai.com/docs/api-reference/batch/object)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from polling_api.providers.simulator.course import BatchRecord, BatchState, Counts, InputError

FILE_KEPT = 30 * 24 * 3600  # seconds; as long as OpenAI keeps a batch's files

_SCRIPTED_FAILURE = InputError("simulated_failure", "The batch failed, as its script says.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """A file that was uploaded; `number` orders files by creation.

    A deleted one is shown no more, and kept, since a batch's answers may still be made from it.
    """

    id: str
    number: int
    filename: str
    purpose: str
    bytes: int
    created_at: float
    deleted: bool = False


def file_object(file: FileRecord) -> Mapping[str, Any]:
    """A file."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(file.created_at),
        "expires_at": int(file.created_at) + FILE_KEPT,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def batch_object(record: BatchRecord, state: BatchState) -> Mapping[str, Any]:
    """A batch."""
    entered = state.entered
    return {
        "id": record.id,
        "object": "batch",
        "endpoint": record.endpoint,
        "errors": _errors(record) if state.status == "failed" else None,
        "input_file_id": record.input_file_id,
        "completion_window": "24h",
        "status": state.status,
        "output_file_id": output_file_id(record) if has_output(state) else None,
        "error_file_id": error_file_id(record) if has_errors(record, state) else None,
        "created_at": int(record.created_at),
        "in_progress_at": entered.get("in_progress"),
        "expires_at": state.expires_at,
        "finalizing_at": entered.get("finalizing"),
        "completed_at": entered.get("completed"),
        "failed_at": entered.get("failed"),
        "expired_at": entered.get("expired"),
        "cancelling_at": entered.get("cancelling"),
        "cancelled_at": entered.get("cancelled"),
        "request_counts": _counts(record, state),
        "metadata": dict(record.metadata) or None,
    }


def output_file_id(record: BatchRecord) -> str:
    """The id of the file with the answers."""
    return f"file-{record.id.removeprefix('batch_')}-output"


def error_file_id(record: BatchRecord) -> str:
    """The id of the file with the items that have none."""
    return f"file-{record.id.removeprefix('batch_')}-errors"


def has_output(state: BatchState) -> bool:
    """Whether there is a file with answers: at the end, of what was done by then."""
    return state.status in {"completed", "expired", "cancelled"} and state.counts.completed > 0


def has_errors(record: BatchRecord, state: BatchState) -> bool:
    """Whether there is a file with failed, expired and cancelled items."""
    return state.status in {"completed", "expired", "cancelled"} and state.counts.completed < record.total


def list_object(shown: Sequence[Mapping[str, Any]], *, has_more: bool) -> Mapping[str, Any]:
    """One page of a list."""
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": has_more,
    }


def _errors(record: BatchRecord) -> Mapping[str, Any]:
    errors = record.errors or (_SCRIPTED_FAILURE,)
    return {"object": "list", "data": [asdict(error) for error in errors]}


def _counts(record: BatchRecord, state: BatchState) -> Mapping[str, int]:
    if state.status == "validating" or record.errors:  # not counted yet
        return {"total": 0, "completed": 0, "failed": 0}
    counts: Counts = state.counts
    return {"total": record.total, "completed": counts.completed, "failed": counts.failed}
