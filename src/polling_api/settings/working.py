"""What is taken in, and how it is done upstream."""

from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from polling_api.settings.forms import MIB, WebhookSecrets, setting


class Working(BaseSettings):
    """What is taken in, and how it is done upstream."""

    # Submitting
    anonymous_submit: bool = setting(
        default=False, unit="flag", reason="Unsigned callers may spend a real provider's money only if asked."
    )
    endpoints: tuple[str, ...] = setting(
        ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions", "/v1/images/generations"),
        "paths",
        "What the provider's batches know; the first is the default.",
    )
    max_json_bytes: int = setting(4 * MIB, "bytes", "JSON is parsed whole, and stalls the loop while it is.", gt=0)
    max_batch_bytes: int = setting(200 * MIB, "bytes", "The provider's own bound on a batch file.", gt=0)
    anonymous_batch_bytes: int = setting(4 * MIB, "bytes", "What a caller may leave here whom nobody knows.", gt=0)
    max_line_bytes: int = setting(1 * MIB, "bytes", "A line is parsed whole.", gt=0)
    max_requests: int = setting(50_000, "requests", "The provider's own bound on a batch.", gt=0)
    idempotency_keep: float = setting(
        86_400, "s", "An Idempotency-Key stands for its job this long; clients give up repeating sooner.", gt=0
    )

    # The provider
    provider: Literal["auto", "openai", "simulator"] = setting(
        "auto", "name", "auto: the simulator unless `upstream_url` or `upstream_api_key` is set."
    )
    upstream_url: str | None = setting(None, "URL", "Base address of the provider's API, as `https://…/v1`.")
    upstream_api_key: SecretStr | None = setting(None, "secret", "Sent as a bearer token to the provider.")
    upstream_timeout: float = setting(20, "s", "A provider's call that takes longer is tried again.", gt=0)
    upstream_concurrency: int = setting(16, "calls", "At once to the provider from one monitor.", ge=1)
    upstream_webhook_secret: WebhookSecrets = setting(
        (),
        "secrets",
        "`whsec_…`, as the provider gave it for events to `/upstream/webhook`, so that an end is known at once; both "
        "while it is replaced. Unset: there is no such address, unless the simulator is started here.",
    )
    simulator_push_url: str | None = setting(
        None, "URL", "Where the simulator sends its events, signed with the first of those secrets. Unset: nowhere."
    )
    simulator_push_host: str | None = setting(
        None, "name", "The Host that these name, where the service does not answer for the URL's."
    )
    simulator_port: int = setting(8001, "port", "The simulator speaks the provider's wire here.", ge=1, le=65535)

    # The monitor
    monitor_interval: float = setting(30, "s", "Between two looks upstream at a job; providers limit calls.", gt=0)
    lease_seconds: float = setting(30, "s", "A dead monitor's jobs are taken over after this long.", gt=0)
    submit_within: float = setting(86_400, "s", "A job that the provider could not take for a day has failed.", gt=0)
