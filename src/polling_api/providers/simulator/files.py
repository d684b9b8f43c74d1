"""`/v1/files`: upload, show, list, read, delete."""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from polling_api.providers.simulator.errors import ApiError
from polling_api.providers.simulator.folder import Folder
from polling_api.providers.simulator.generated import GeneratedFile, generated_files
from polling_api.providers.simulator.objects import FileRecord, file_object, list_object
from polling_api.providers.simulator.paging import page_of
from polling_api.providers.simulator.receiving import read_form

PURPOSES = ("batch", "batch_output", "assistants", "fine-tune", "vision", "user_data", "evals")
MOST_SHOWN = 10_000  # OpenAI's figure, by default and at most
_SEND_AT_ONCE = 64 * 1024  # bytes: many lines for each hop out of the thread that makes them


class Files:
    """The files of one simulator."""

    def __init__(self, folder: Folder, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._clock = clock

    def routes(self) -> list[Route]:
        """What this part serves."""
        return [
            Route("/files", self.upload, methods=["POST"]),
            Route("/files", self.listed, methods=["GET"]),
            Route("/files/{file_id}", self.retrieve, methods=["GET"]),
            Route("/files/{file_id}", self.delete, methods=["DELETE"]),
            Route("/files/{file_id}/content", self.content, methods=["GET"]),
        ]

    async def upload(self, request: Request) -> Response:
        """`POST /files`."""
        form = await read_form(request)
        try:
            file = await self._kept(form.get("file"), form.get("purpose"))
        finally:
            await form.close()
        return JSONResponse(file_object(file))

    async def listed(self, request: Request) -> Response:
        """`GET /files`."""
        files = [*self._folder.files.values(), *generated_files(self._folder, self._clock())]
        wanted = request.query_params.get("purpose")
        listed = [(file.id, file) for file in files if wanted in {None, _purpose(file)}]
        newest_first = request.query_params.get("order") != "asc"
        listed.sort(key=lambda entry: (entry[1].created_at, entry[1].number), reverse=newest_first)
        page = page_of(listed, request.query_params, default=MOST_SHOWN, most=MOST_SHOWN)
        shown = await asyncio.to_thread(lambda: [file_object(_measured(file)) for file in page.shown])
        return JSONResponse(list_object(shown, has_more=page.has_more))

    async def retrieve(self, request: Request) -> Response:
        """`GET /files/{id}`."""
        file = self._file(request)
        return JSONResponse(file_object(await asyncio.to_thread(_measured, file)))

    async def content(self, request: Request) -> Response:
        """`GET /files/{id}/content`."""
        file = self._file(request)
        if isinstance(file, FileRecord):
            return FileResponse(self._folder.content_path(file.id), media_type="application/octet-stream")
        return StreamingResponse(_joined(file.lines()), media_type="application/octet-stream")

    async def delete(self, request: Request) -> Response:
        """`DELETE /files/{id}`."""
        file = self._file(request)
        self._folder.delete_file(file if isinstance(file, FileRecord) else file.record())
        return JSONResponse({"id": file.id, "object": "file", "deleted": True})

    async def _kept(self, source: UploadFile | str | None, purpose: UploadFile | str | None) -> FileRecord:
        if not isinstance(source, UploadFile):
            raise ApiError(400, "Missing required parameter: 'file'.", code="missing_required_parameter", param="file")
        if purpose not in PURPOSES:
            raise ApiError(400, f"'purpose' is one of {', '.join(PURPOSES)}.", code="invalid_value", param="purpose")
        file_id, size = await asyncio.to_thread(self._folder.receive, source.file)
        file = FileRecord(
            id=file_id,
            number=self._folder.next_number(),
            filename=source.filename or "file",
            purpose=str(purpose),
            bytes=size,
            created_at=self._clock(),
        )
        self._folder.keep_file(file)
        return file

    def _file(self, request: Request) -> FileRecord | GeneratedFile:
        file_id: str = request.path_params["file_id"]
        generated = (file for file in generated_files(self._folder, self._clock()) if file.id == file_id)
        file = self._folder.files.get(file_id) or next(generated, None)
        if file is None:
            raise ApiError(404, f"No such File object: {file_id[:100]}", param="id")
        return file


def _purpose(file: FileRecord | GeneratedFile) -> str:
    return file.purpose if isinstance(file, FileRecord) else "batch_output"


def _measured(file: FileRecord | GeneratedFile) -> FileRecord:
    return file if isinstance(file, FileRecord) else file.measured()


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for line in lines:
        held += line
        if len(held) >= _SEND_AT_ONCE:
            yield bytes(held)
            held.clear()
    yield bytes(held)
