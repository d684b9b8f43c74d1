"""The body of `POST /batches`, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from polling_api.domain.script import parse_script
from polling_api.errors import Invalid
from polling_api.providers.simulator.errors import ApiError

ENDPOINTS = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/images/generations",
)
MOST_PAIRS, LONGEST_KEY, LONGEST_VALUE = 16, 64, 512  # OpenAI's bounds on metadata


@dataclass(frozen=True, slots=True)
class Creation:
    """What a new batch is made of."""

    input_file_id: str
    endpoint: str
    metadata: Mapping[str, str]


def read_creation(body: object) -> Creation:
    """Check what a batch is to be made of.

    Raises:
        ApiError: 400, naming the parameter that is wrong.
    """
    if not isinstance(body, dict):
        raise ApiError(400, "We could not parse the JSON body of your request.")
    given = cast("dict[str, Any]", body)
    for name in ("input_file_id", "endpoint", "completion_window"):
        if not isinstance(given.get(name), str):
            raise ApiError(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
    if given["endpoint"] not in ENDPOINTS:
        raise _invalid("endpoint", f"Supported values are: {', '.join(ENDPOINTS)}.")
    if given["completion_window"] != "24h":
        raise _invalid("completion_window", "Supported values are: '24h'.")
    return Creation(given["input_file_id"], given["endpoint"], _metadata(given.get("metadata")))


def _metadata(value: object) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _invalid("metadata", "It is an object.")
    metadata: dict[str, str] = {}
    for key, text in cast("dict[str, object]", value).items():
        if not isinstance(text, str) or len(text) > LONGEST_VALUE or len(key) > LONGEST_KEY:
            raise _invalid(
                f"metadata.{key[:LONGEST_KEY]}",
                f"Keys have up to {LONGEST_KEY} characters, values are strings of up to {LONGEST_VALUE}.",
            )
        metadata[key] = text
    if len(metadata) > MOST_PAIRS:
        raise _invalid("metadata", f"It has at most {MOST_PAIRS} pairs.")
    _check_script(metadata)
    return metadata


def _check_script(metadata: Mapping[str, str]) -> None:
    script = metadata.get("simulator")
    if script is not None:
        try:
            parse_script(script)
        except Invalid as error:
            raise _invalid("metadata.simulator", error.detail) from None


def _invalid(param: str, why: str) -> ApiError:
    return ApiError(400, f"Invalid value for '{param}'. {why}", code="invalid_value", param=param)
