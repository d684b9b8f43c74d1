"""A job as JSON: minified by orjson as the service has it, beside what most services do; time and size."""

import json as standard
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import typer
from stand.figures import Kept, Line, Quick, tell

from polling_api.domain.job import Job, Progress, Status, new_job_id
from polling_api.representation import job_document

METADATA = {f"property_{number}": f"a value that a client wants back, number {number}" for number in range(8)}


def main(times: int = 20_000, rounds: int = 5, *, quick: Quick = False, json: Kept = None) -> None:
    """Measure so many renderings of each kind, in each of so many rounds."""
    times = 2000 if quick else times
    document = _document()
    forms: dict[str, Callable[[], bytes]] = {
        "orjson": lambda: orjson.dumps(document),
        "json, as it is": lambda: standard.dumps(document).encode(),
        "json, minified": lambda: standard.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(),
        "json, indented": lambda: standard.dumps(document, indent=2).encode(),
    }
    took = [{name: _microseconds(form, times) for name, form in forms.items()} for _ in range(rounds)]
    ours = [one["orjson"] for one in took]
    lines: list[Line] = []
    for name in list(forms)[1:]:
        beside = [one[name] for one in took]
        lines.append(Line(what="a job as JSON: time", ours=ours, unit="µs", anchor=name, beside=beside))
    size = [float(len(forms["orjson"]()))]
    for name in list(forms)[1:]:
        beside = [float(len(forms[name]()))]
        lines.append(Line(what="a job as JSON: size", ours=size, unit="bytes", anchor=name, beside=beside))
    tell(lines, json)


def _microseconds(form: Callable[[], bytes], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        form()
    return (time.process_time() - began) / times * 1e6


def _document() -> dict[str, Any]:
    now = datetime.now(UTC)
    job = Job(
        id=new_job_id(),
        version=4,
        status=Status.IN_PROGRESS,
        status_version=2,
        progress=Progress(total=100, completed=40, failed=1),
        endpoint="/v1/chat/completions",
        provider="openai",
        created_at=now,
        updated_at=now,
        started_at=now,
        expires_at=now + timedelta(days=1),
        metadata=METADATA,
    )
    return job_document(job, "/api/v1/jobs")


if __name__ == "__main__":
    typer.run(main)
