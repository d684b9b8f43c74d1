"""Every setting, with its unit, its default and its reason.

Only the modules that assemble the service read them; parts receive values. Each can be set in the environment with
the prefix `POLLING_`, and `polling-api settings` shows them all.
"""

from pydantic_settings import SettingsConfigDict

from polling_api.settings.limits import Limits
from polling_api.settings.serving import Serving
from polling_api.settings.storing import Storing
from polling_api.settings.webhooks import Webhooks
from polling_api.settings.working import Working

__all__ = ["Settings"]


class Settings(Webhooks, Working, Storing, Limits, Serving):
    """The service's settings, read once at start."""

    model_config = SettingsConfigDict(env_prefix="POLLING_", extra="ignore", frozen=True, hide_input_in_errors=True)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that requests may name."""
        return self.allowed_hosts or ("localhost", "127.0.0.1", "[::1]", self.host)

    @property
    def own_host(self) -> str:
        """One of them, for asking the service itself."""
        return next((host for host in self.hosts if host != "*"), "localhost")

    @property
    def simulated(self) -> bool:
        """Whether the provider is the simulator."""
        if self.provider == "auto":
            return self.upstream_url is None and self.upstream_api_key is None
        return self.provider == "simulator"

    @property
    def provider_name(self) -> str:
        """The name that jobs carry."""
        return "simulator" if self.simulated else "openai"

    @property
    def upstream_base(self) -> str:
        """The provider's base address, without a slash at its end."""
        default = f"http://127.0.0.1:{self.simulator_port}/v1" if self.simulated else "https://api.openai.com/v1"
        return (self.upstream_url or default).rstrip("/")
