"""`/simulator`: what tests and demonstrations ask of the simulator itself."""

from collections import Counter
from collections.abc import Mapping

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from polling_api.providers.simulator.course import BatchRecord
from polling_api.providers.simulator.errors import ApiError
from polling_api.providers.simulator.faults import Fault, FaultBook
from polling_api.providers.simulator.folder import Folder
from polling_api.providers.simulator.receiving import read_json


class Controls:
    """Faults to order, and calls, batches and events to count."""

    def __init__(self, book: FaultBook, calls: Counter[str], folder: Folder, pushes: Counter[str]) -> None:
        self._book = book
        self._calls = calls
        self._folder = folder
        self._pushes = pushes

    def routes(self) -> list[Route]:
        """What this part serves."""
        return [
            Route("/faults", self.order, methods=["POST"]),
            Route("/faults", self.ordered, methods=["GET"]),
            Route("/faults", self.forget, methods=["DELETE"]),
            Route("/calls", self.counted, methods=["GET"]),
            Route("/calls", self.recount, methods=["DELETE"]),
        ]

    async def order(self, request: Request) -> Response:
        """`POST /faults`: one fault."""
        try:
            fault = Fault.model_validate(await read_json(request))
        except ValidationError as error:
            raise ApiError(400, str(error.errors(include_url=False, include_context=False))) from None
        if not self._book.add(fault):
            raise ApiError(409, "Too many faults are waiting.")
        return await self.ordered(request)

    async def ordered(self, _: Request) -> Response:
        """`GET /faults`: those to come."""
        return JSONResponse({"faults": [fault.model_dump(mode="json") for fault in self._book.faults]})

    async def forget(self, _: Request) -> Response:
        """`DELETE /faults`."""
        self._book.clear()
        return Response(status_code=204)

    async def counted(self, _: Request) -> Response:
        """`GET /calls`: how many calls came, how many batches there are of each job, and what became of events."""
        batches = dict(_jobs(self._folder.batches))
        return JSONResponse({"calls": dict(self._calls), "batches": batches, "pushes": dict(self._pushes)})

    async def recount(self, _: Request) -> Response:
        """`DELETE /calls`: count from nothing."""
        self._calls.clear()
        self._pushes.clear()
        return Response(status_code=204)


def _jobs(batches: Mapping[str, BatchRecord]) -> Counter[str]:
    return Counter(batch.metadata["polling_job_id"] for batch in batches.values() if "polling_job_id" in batch.metadata)
