import json

import pytest

from polling_api.providers.simulator.input import check_input

ENDPOINT = "/v1/chat/completions"


def request(custom_id: object = "a", **changed: object) -> bytes:
    members: dict[str, object] = {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": {}}
    return json.dumps(members | changed).encode()


def test_a_good_file_is_counted_without_its_empty_lines() -> None:
    checked = check_input([request("a"), b"", request("b"), b""], ENDPOINT)

    assert (checked.total, checked.errors) == (2, ())


@pytest.mark.parametrize(
    ("lines", "code", "line"),
    [
        ([], "empty_file", None),
        ([b"", b""], "empty_file", None),
        ([request("a"), b"", b"{"], "invalid_json_line", 3),
        ([b"[]"], "invalid_json_line", 1),
        ([b"[" * 100_000], "invalid_json_line", 1),
        ([b"1" * 5000], "invalid_json_line", 1),
        ([b"\xff"], "invalid_json_line", 1),
        ([b'{"custom_id":"a"}'], "missing_required_parameter", 1),
        ([request(custom_id=7)], "missing_required_parameter", 1),
        ([request(body=[1])], "missing_required_parameter", 1),
        ([request(method="GET")], "invalid_method", 1),
        ([request("a"), request("b", url="/v1/responses")], "url_mismatch", 2),
        ([request("a"), request("b"), request("a")], "duplicate_custom_id", 3),
    ],
)
def test_a_fault_is_told_with_its_line(lines: list[bytes], code: str, line: int | None) -> None:
    checked = check_input(lines, ENDPOINT)

    assert [(error.code, error.line) for error in checked.errors] == [(code, line)]


def test_the_faults_told_are_bounded() -> None:
    checked = check_input([b"{"] * 1000, ENDPOINT)

    assert len(checked.errors) == 20


def test_a_batch_has_at_most_50_000_requests() -> None:
    checked = check_input((request(str(number)) for number in range(50_001)), ENDPOINT)

    assert [error.code for error in checked.errors] == ["too_many_tasks"]
