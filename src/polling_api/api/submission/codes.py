"""Every code that a submission may be refused with. Each has a page on the service."""

from enum import StrEnum


class Code(StrEnum):
    """Stable names for programs. They are never renamed, and never change their meaning."""

    MALFORMED_JSON = "malformed_json"
    BODY_TOO_LARGE = "body_too_large"
    INVALID_REQUEST = "invalid_request"
    UNKNOWN_FIELD = "unknown_field"
    EMPTY_BATCH = "empty_batch"
    TOO_MANY_REQUESTS_IN_BATCH = "too_many_requests_in_batch"
    DUPLICATE_CUSTOM_ID = "duplicate_custom_id"
    UNKNOWN_ENDPOINT = "unknown_endpoint"
    DIFFERENT_ENDPOINTS = "different_endpoints"
    NESTED_TOO_DEEPLY = "nested_too_deeply"
    NULL_CHARACTER = "null_character"
    BAD_SCRIPT = "bad_script"
    SCRIPT_WITHOUT_SIMULATOR = "script_without_simulator"


CODES: dict[str, str] = {
    Code.MALFORMED_JSON: (
        "The body, or the line that is named, is not JSON (RFC 8259) in UTF-8. Common causes: the "
        "upload was cut, a file was saved as UTF-16 or with a byte order mark, a comma too many, NaN or "
        "Infinity, which JSON does not have, or half of a surrogate pair (as \\ud83d alone), which "
        "stands for no character."
    ),
    Code.BODY_TOO_LARGE: (
        "The body, or one line of it, has more bytes than are taken; the detail says how many are. "
        "Reading stopped there. A large batch goes as application/x-ndjson, one request a line; a "
        "larger one as several jobs."
    ),
    Code.INVALID_REQUEST: (
        "The body can be read, and breaks a rule: a field is missing, has the wrong type or is out of "
        "its range. `errors` names each place and what is expected there. It is also the code when "
        "several different rules are broken at once."
    ),
    Code.UNKNOWN_FIELD: (
        "A field is not known here. It is refused rather than ignored, so that a misspelt field is not "
        "lost in silence. Parameters for the model belong into `body`, which is passed on as it is."
    ),
    Code.EMPTY_BATCH: "The batch holds no request. A job needs at least one.",
    Code.TOO_MANY_REQUESTS_IN_BATCH: (
        "The batch holds more requests than the provider takes in one batch (or as many blank lines). "
        "Divide it into several jobs."
    ),
    Code.DUPLICATE_CUSTOM_ID: (
        "Two requests of the batch have the same `custom_id`; the error names both places. Results come "
        "back under their `custom_id`, so each must be unique in its job. Different jobs may use the "
        "same ones."
    ),
    Code.UNKNOWN_ENDPOINT: (
        "The `endpoint`, or a line's `url`, is none that the provider's batches know. The error lists those that are."
    ),
    Code.DIFFERENT_ENDPOINTS: (
        "All requests of a job go to one endpoint: every line's `url` must be the same, and be the "
        "`endpoint` of the `job.options` line where that names one. Send one job for each endpoint."
    ),
    Code.NESTED_TOO_DEEPLY: (
        "Objects and arrays stand inside one another more deeply than is taken. No provider's request "
        "needs that, and parsers on the way differ in what they can follow."
    ),
    Code.NULL_CHARACTER: (
        "A text holds the character U+0000 (written \\u0000). Databases and programs on the way cut "
        "texts there, so it is refused before anything is stored."
    ),
    Code.BAD_SCRIPT: (
        "`metadata.simulator` is a script for the upstream simulator, and cannot be read as one. It is "
        'steps divided by commas, each `status [duration "s"] ["@" percent "%"] ["fail=" n]`, the last '
        'of them terminal, as in "queued 0.2s, in_progress 2s @25%, in_progress 40s @90% fail=3, '
        'expired".'
    ),
    Code.SCRIPT_WITHOUT_SIMULATOR: (
        "`metadata.simulator` sets the course of a simulated batch, and this service hands its jobs to "
        "a real provider, which would not follow it. Leave the key out, or use another name for it."
    ),
}
