"""What FastAPI alone costs: an ordinary route that returns an answer which was made beforehand."""

import sys

from fastapi import FastAPI, Response

from stand.raw_asgi import BODY, HEADERS, serve

app = FastAPI(openapi_url=None)


@app.get("/ready")
@app.get("/api/v1/jobs/{job_id}")
async def status(job_id: str = "") -> Response:
    return Response(BODY, headers={name.decode(): value.decode() for name, value in HEADERS} | {"x-job": job_id})


if __name__ == "__main__":
    serve(app, int(sys.argv[1]))
