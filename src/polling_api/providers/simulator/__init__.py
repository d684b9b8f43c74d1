"""A provider without models: an HTTP server that speaks OpenAI's files and batches at `/v1`.

`create_simulator(folder)` makes an ASGI app for uvicorn. The official `openai` package works against it
unchanged, with any API key. What it is told is kept in `folder` and found again after a restart.

**Course.** A batch runs for half a minute (`Pace`), unless `metadata.simulator` is a script of this service's
statuses: `queued 0.2s, in_progress 2s @25%, in_progress 40s @90% fail=3, expired`. Percent of the items have
an outcome, `fail` of these failed; both jump at a step's start and stay. `succeeded` has answers to all;
`expired` and `cancelled` keep the answers there are, and list the rest in the error file; `failed` has none.
A cancel keeps what is done by then. An input file with faults fails the batch, naming the lines, as OpenAI
does.

**Faults.** `POST /simulator/faults` orders one, in JSON; `GET` lists those to come, `DELETE` forgets them.

- `kind`: `latency`; `rate_limit` (429); `server_error` (500); `drop` (the connection, with no answer);
  `drop_after` (the request is carried out, then the connection is dropped); `garbage` (a 200 that is no JSON);
  `regress` (batches look as at their beginning); `trickle` (the first line of the answer, and then a blank now and
  then for up to a minute).
  Of events: `push_lost`; `push_doubled` (sent twice); `push_forged` (signed otherwise); `push_late`.
- `method`, `path`: which calls; all methods and `/v1/` if not given. `path` is a prefix, with `"exact": true`
  all of it.
- `count`: how many of them; 1 if not given, at most 1,000.
- `value`: seconds of `latency` and `push_late`, `Retry-After` of `rate_limit`, status of `server_error`, text of
  `garbage`.

**Counts.** `GET /simulator/calls` gives `{"calls":{"GET /v1/batches":1,"GET /v1/batches/{id}":2,…},
"batches":{"job_…":1}}`: calls arrived since the start or the last `DELETE`, and batches by
`metadata.polling_job_id`. `"pushes"` counts events: `taken`, `refused` (each time), `lost`.

**Events.** With a `Receiver` it sends `batch.completed`, `batch.failed`, `batch.expired` and `batch.cancelled` when a
batch ends, as OpenAI's webhooks do.
"""

from polling_api.providers.simulator.app import create_simulator
from polling_api.providers.simulator.course import Pace
from polling_api.providers.simulator.pushes import Receiver

__all__ = ["Pace", "Receiver", "create_simulator"]
