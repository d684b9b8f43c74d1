"""What a receiver is told, byte for byte the same at every attempt."""

from typing import Any

import orjson

from polling_api.representation import job_document, timestamp
from polling_api.store.webhook_leases import Claimed

PUBLIC_JOBS, OWNED_JOBS = "/api/v1/jobs", "/api/v1/batch-status"


def body_of(claimed: Claimed) -> bytes:
    """The contract's `{"type","timestamp","data"}`: of a job its version, with links of the set that its owner asks."""
    return orjson.dumps({"type": claimed.event, "timestamp": timestamp(claimed.created_at), "data": _subject(claimed)})


def _subject(claimed: Claimed) -> dict[str, Any]:
    if claimed.job is None:
        return {"object": "webhook_endpoint", "id": claimed.endpoint_id}
    return job_document(claimed.job, PUBLIC_JOBS if claimed.client_id is None else OWNED_JOBS)
