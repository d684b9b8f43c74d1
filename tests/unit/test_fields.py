"""Which members of a job a caller wants, and what it is shown of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polling_api.api.shapes import JobDocument
from polling_api.domain.fields import JOB as SHAPE
from polling_api.domain.fields import fields_of, picked

JOB: dict[str, Any] = {
    "id": "job_1",
    "status": "queued",
    "progress": {"total": 3, "completed": 1, "failed": 0},
    "error": None,
    "metadata": {"team": "films", "a.b": "dotted"},
}
KNOWN = [
    *(name for name in JobDocument.model_fields),
    *(f"progress.{name}" for name in ("total", "completed", "failed", "expired", "cancelled")),
    *(f"links.{name}" for name in ("self", "events", "results", "cancel")),
    "error.code",
    "error.message",
    "metadata.anything",
]


def test_every_member_of_a_job_and_of_its_objects_is_known() -> None:
    assert SHAPE.unknown_among(KNOWN) == []


@pytest.mark.parametrize(
    "name", ["", ".", "speed", "status.", "status.code", "progress.", "progress.total.x", "Status"]
)
def test_what_leads_to_nothing_is_unknown(name: str) -> None:
    assert SHAPE.unknown_among(["id", name]) == [name]


@given(st.lists(st.sampled_from(KNOWN)))
def test_the_same_wish_has_one_form_in_whatever_order_it_is_said(names: list[str]) -> None:
    said = fields_of(names)

    assert fields_of(reversed([*names, *names])) == said
    assert fields_of(said) == said


def test_what_lies_below_another_is_in_it_already() -> None:
    assert fields_of(["progress.total", "progress", "id"]) == ("id", "progress")


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        (["status"], {"status": "queued"}),
        (["status", "id"], {"id": "job_1", "status": "queued"}),
        (["progress.completed", "progress.total"], {"progress": {"total": 3, "completed": 1}}),
        (["progress"], {"progress": {"total": 3, "completed": 1, "failed": 0}}),
        (["error.code"], {"error": None}),
        (["metadata.team", "metadata.none"], {"metadata": {"team": "films"}}),
        (["metadata.a.b"], {"metadata": {"a.b": "dotted"}}),
        (["metadata.none"], {"metadata": {}}),
    ],
)
def test_only_what_is_named_is_shown_in_the_documents_order(fields: list[str], shown: dict[str, Any]) -> None:
    told = picked(JOB, fields_of(fields))

    assert list(told.items()) == list(shown.items())
