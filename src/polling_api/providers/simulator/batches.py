"""`/v1/batches`: create, show, list, cancel."""

import asyncio
import secrets
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from polling_api.providers.simulator.course import TERMINAL, BatchRecord, Pace, cancelled, state_at
from polling_api.providers.simulator.creation import Creation, read_creation
from polling_api.providers.simulator.errors import ApiError
from polling_api.providers.simulator.folder import Folder
from polling_api.providers.simulator.input import check_input, lines_of
from polling_api.providers.simulator.objects import batch_object, list_object
from polling_api.providers.simulator.paging import page_of
from polling_api.providers.simulator.receiving import read_json

SHOWN, MOST_SHOWN = 20, 100  # OpenAI's figures


class Batches:
    """The batches of one simulator.

    Args:
        folder: where they are kept.
        clock: Unix seconds.
        pace: the course of those without a script.
        noted: told of each new batch, and of each that will end otherwise than it was going to.
    """

    def __init__(
        self, folder: Folder, clock: Callable[[], float], pace: Pace, noted: Callable[[BatchRecord], None]
    ) -> None:
        self._folder = folder
        self._noted = noted
        self._clock = clock
        self._pace = pace

    def routes(self) -> list[Route]:
        """What this part serves."""
        return [
            Route("/batches", self.create, methods=["POST"]),
            Route("/batches", self.listed, methods=["GET"]),
            Route("/batches/{batch_id}", self.retrieve, methods=["GET"]),
            Route("/batches/{batch_id}/cancel", self.cancel, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        """`POST /batches`."""
        creation = read_creation(await read_json(request))
        self._check_file(creation)
        path = self._folder.content_path(creation.input_file_id)
        checked = await asyncio.to_thread(lambda: check_input(lines_of(path), creation.endpoint))
        record = BatchRecord(
            id=f"batch_{secrets.token_hex(16)}",
            number=self._folder.next_number(),
            input_file_id=creation.input_file_id,
            endpoint=creation.endpoint,
            created_at=self._clock(),
            total=checked.total,
            pace=self._pace,
            errors=checked.errors,
            metadata=creation.metadata,
        )
        return self._kept(record)

    async def listed(self, request: Request) -> Response:
        """`GET /batches`, newest first."""
        records = [(record.id, record) for record in reversed(list(self._folder.batches.values()))]
        page = page_of(records, request.query_params, default=SHOWN, most=MOST_SHOWN)
        now = self._clock()
        shown = [batch_object(record, state_at(record, now)) for record in page.shown]
        return JSONResponse(list_object(shown, has_more=page.has_more))

    async def retrieve(self, request: Request) -> Response:
        """`GET /batches/{id}`."""
        return self._shown(self._batch(request))

    async def cancel(self, request: Request) -> Response:
        """`POST /batches/{id}/cancel`."""
        record, now = self._batch(request), self._clock()
        status = state_at(record, now).status
        if status in TERMINAL:
            raise ApiError(409, f"Cannot cancel a batch with status '{status}'.")
        record = cancelled(record, now)
        return self._kept(record)

    def _kept(self, record: BatchRecord) -> Response:
        self._folder.keep_batch(record)
        self._noted(record)
        return self._shown(record)

    def _check_file(self, creation: Creation) -> None:
        file = self._folder.files.get(creation.input_file_id)
        if file is None or file.purpose != "batch":
            told = f"'{creation.input_file_id[:100]}' is no file with the purpose 'batch'."
            raise ApiError(400, f"Invalid 'input_file_id': {told}", code="invalid_value", param="input_file_id")

    def _batch(self, request: Request) -> BatchRecord:
        batch_id: str = request.path_params["batch_id"]
        record = self._folder.batches.get(batch_id)
        if record is None:
            raise ApiError(404, f"No batch found with id '{batch_id[:100]}'.", param="batch_id")
        return record

    def _shown(self, record: BatchRecord) -> Response:
        return JSONResponse(batch_object(record, state_at(record, self._clock())))
