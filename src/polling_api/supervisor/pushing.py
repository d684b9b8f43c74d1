"""The simulator's events, where it is one of our children: the others have to believe them."""

import secrets
from collections.abc import Mapping

from polling_api.settings import Settings
from polling_api.supervisor.readiness import reached_at
from polling_api.webhooks.places import UPSTREAM
from polling_api.webhooks.standard import secret_of

SECRET_BYTES = 32


def pushing(settings: Settings) -> Mapping[str, str]:
    """The settings that tell the children where events go and how they are signed, as far as nobody has set them."""
    told: dict[str, str] = {}
    if not settings.upstream_webhook_secret:
        told["POLLING_UPSTREAM_WEBHOOK_SECRET"] = secret_of(secrets.token_bytes(SECRET_BYTES))
    if settings.simulator_push_url is None:
        told["POLLING_SIMULATOR_PUSH_URL"] = f"http://{_authority(settings)}{UPSTREAM}"
        told["POLLING_SIMULATOR_PUSH_HOST"] = settings.own_host
    return told


def _authority(settings: Settings) -> str:
    host = reached_at(settings.host)
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"
