"""The pages behind a problem's `type`."""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import HTMLResponse

from polling_api.api import documents
from polling_api.api.codes import KINDS
from polling_api.api.problems import title_of
from polling_api.errors import NotFound

router = APIRouter(prefix="/problems", tags=["problems"], default_response_class=HTMLResponse)

Code = Annotated[str, Path(description="A problem's `code`.", examples=["job_not_found"])]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:1rem/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}}
code{{background:#8882;padding:.1em .3em}}</style></head>
<body><h1>{title}</h1>{content}</body></html>
"""


@router.api_route("", methods=["GET", "HEAD"], summary="All kinds of problems", responses=documents.PAGE)
async def list_problems() -> HTMLResponse:
    """Every code that an error of this service may carry, with a link to its page."""
    items = "".join(f'<li><a href="/problems/{code}"><code>{code}</code></a></li>' for code in sorted(KINDS))
    return _page("Problems", f"<ul>{items}</ul>")


@router.api_route(
    "/{code}",
    methods=["GET", "HEAD"],
    summary="One kind of problem",
    responses={**documents.PAGE, **documents.problems("not_found")},
)
async def read_problem(code: Code) -> HTMLResponse:
    """What a code means, and what to do about it: the page that a problem's `type` leads to."""
    kind = KINDS.get(code)
    if kind is None:
        raise NotFound("There is no such problem code.")
    status = f"{kind.status.value} {kind.status.phrase}"
    paragraphs = f"<p><code>{code}</code>, sent as <code>{status}</code></p><p>{_prose(kind.explanation)}</p>"
    return _page(title_of(code), f'{paragraphs}<p><a href="/problems">All problems</a></p>')


def _page(title: str, content: str) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(title=escape(title), content=content))


def _prose(text: str) -> str:
    """Plain text as HTML, with what stands in backquotes as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
