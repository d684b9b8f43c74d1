"""A submission may say where its job is told besides, in either format."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from polling_api.api.submission import Draft, Webhook
from polling_api.domain.webhook import Topic
from polling_api.errors import Invalid

Submit = Callable[[bytes], Awaitable[Draft]]

URL = "https://example.org/hook"
REQUEST: dict[str, Any] = {"custom_id": "a", "body": {}}
LINE: dict[str, Any] = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}}


def as_json(webhook: Any) -> bytes:
    return json.dumps({"requests": [REQUEST], "webhook": webhook}).encode()


def as_lines(webhook: Any) -> bytes:
    return b"\n".join(json.dumps(one).encode() for one in ({"object": "job.options", "webhook": webhook}, LINE))


@pytest.fixture(params=["json", "lines"])
def submit(request: pytest.FixtureRequest, submit_json: Submit, submit_lines: Submit) -> Callable[..., Any]:
    async def send(webhook: Any) -> Draft:
        return await (submit_json(as_json(webhook)) if request.param == "json" else submit_lines(as_lines(webhook)))

    return send


async def test_the_end_alone_is_told_where_nothing_else_is_asked_for(submit: Callable[..., Any]) -> None:
    assert (await submit({"url": URL})).webhook == Webhook(URL, (Topic.TERMINAL,))
    assert (await submit({"url": URL, "events": None})).webhook == Webhook(URL, (Topic.TERMINAL,))


async def test_every_status_is_told_where_it_is(submit: Callable[..., Any]) -> None:
    assert (await submit({"url": URL, "events": ["status"]})).webhook == Webhook(URL, (Topic.STATUS,))


async def test_null_is_none(submit: Callable[..., Any]) -> None:
    assert (await submit(None)).webhook is None


@pytest.mark.parametrize(
    ("webhook", "place"),
    [
        ("https://example.org", "/webhook"),
        ({}, "/webhook/url"),
        ({"url": 1}, "/webhook/url"),
        ({"url": "refused"}, "/webhook/url"),
        ({"url": URL, "events": []}, "/webhook/events"),
        ({"url": URL, "events": ["progress"]}, "/webhook/events"),
        ({"url": URL, "events": ["terminal"] * 3}, "/webhook/events"),
        ({"url": URL, "events": "terminal"}, "/webhook/events"),
        ({"url": URL, "secret": "mine"}, "/webhook/secret"),
    ],
)
async def test_what_breaks_a_rule_is_named(submit: Callable[..., Any], webhook: Any, place: str) -> None:
    with pytest.raises(Invalid) as refused:
        await submit(webhook)

    assert [error.pointer.rpartition(" ")[2] for error in refused.value.errors] == [place]
