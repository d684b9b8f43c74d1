"""Reading a submitted batch: bytes in, a checked draft of a job out.

Two formats, one set of checks: `read_json` for `application/json`, `read_lines` for `application/x-ndjson`.
`reading` knows JSON, `findings` collects what is wrong and `codes` names it, `options` and `intake` hold the
rules, `spool` the file in which checked requests wait to be stored.
"""

from polling_api.api.submission.codes import CODES
from polling_api.api.submission.draft import Draft
from polling_api.api.submission.json_body import read_json
from polling_api.api.submission.lines import read_lines
from polling_api.api.submission.rules import Rules
from polling_api.api.submission.webhook import Webhook

__all__ = ["CODES", "Draft", "Rules", "Webhook", "read_json", "read_lines"]
