"""Where webhooks go, how often, and how many at once."""

from pydantic_settings import BaseSettings

from polling_api.settings.forms import Ceilings, Ports, setting


class Webhooks(BaseSettings):
    """Where webhooks go, how often, and how many at once."""

    anonymous_webhooks: bool = setting(
        default=False, unit="flag", reason="Unsigned callers may have this service send requests only if asked."
    )
    webhook_allow_private: bool = setting(
        default=False,
        unit="flag",
        reason="Webhooks may go to loopback and private networks: for development, where receivers are there.",
    )
    webhook_ports: Ports = setting((80, 443, 8080, 8443), "ports", "Webhooks go to these alone; empty: to any.")
    webhook_schedule: Ceilings = setting(
        (10, 60, 300, 900, 3600, 7200, 14_400, 28_800, 43_200, 57_600),
        "s",
        "Ceilings of the waits after each failed attempt, drawn evenly below them: a day in all on average; then a "
        "delivery is dead.",
    )
    webhook_timeout: float = setting(
        15, "s", "The whole of an attempt; receivers take a message in, and do their work later.", gt=0, le=120
    )
    # Each dispatcher has these bounds for itself, and each monitor's process has one dispatcher: of three they are
    # three times as much. Whoever wants a bound for all divides it by the number of monitors.
    webhook_concurrency: int = setting(128, "deliveries", "Under way at once, from one dispatcher.", ge=1)
    webhook_destination_concurrency: int = setting(
        16,
        "deliveries",
        "To one host and port at once, from one dispatcher; an owner has at most half of it.",
        ge=1,
    )
    webhook_owner_concurrency: int = setting(
        32,
        "deliveries",
        "Of one owner at once, from one dispatcher: as much as receivers of its own that hang can hold.",
        ge=1,
    )
    webhook_destination_rate: float = setting(
        100, "deliveries/s", "Begun to one host and port, by one dispatcher; most receivers take fewer.", gt=0
    )
    webhook_owner_rate: float = setting(
        50, "deliveries/s", "Begun of one owner, wherever they go, by one dispatcher.", gt=0
    )
    webhook_keep: float = setting(
        30 * 86_400, "s", "Deliveries are listed, and can be sent again, this long after their end.", gt=0
    )
