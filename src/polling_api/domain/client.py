"""Who is let in: the ids of clients and of their keys, and the rules for what may be asked of them."""

import re
import secrets

from polling_api.errors import Invalid

CLIENT_ID = re.compile(r"cl_[0-9a-f]{32}")
KEY_ID = re.compile(r"key_[0-9a-f]{32}")

LONGEST_NAME = 100  # characters
LONGEST_LIFE = 10 * 365 * 86_400  # seconds: a key for longer is one without an end
LONGEST_OVERLAP = 30 * 86_400  # seconds in which every place that signs can be given the new key


def new_client_id() -> str:
    """Draw an id from the operating system's generator: 128 random bits."""
    return f"cl_{secrets.token_hex(16)}"


def new_key_id() -> str:
    """Draw an id from the operating system's generator: 128 random bits."""
    return f"key_{secrets.token_hex(16)}"


def check_name(name: str) -> None:
    """Hold a client's name to its rule: terminals and pages show it as it is.

    Raises:
        Invalid: it is longer, blank, or holds what cannot be printed.
    """
    if not (name.strip() and len(name) <= LONGEST_NAME and name.isprintable()):
        raise Invalid(f"A client's name has 1 to {LONGEST_NAME} printable characters, and is not blank.")
