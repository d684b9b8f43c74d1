"""A worker of its own, with limits or, for `unlimited`, without: what they cost is measured against that."""

import sys
from dataclasses import replace
from time import time

from starlette.types import Scope

from polling_api import logs, server
from polling_api.api.guard import Guard
from polling_api.app.core import assemble
from polling_api.app.service import Service, service_of
from polling_api.domain.caller import Caller
from polling_api.ratelimit import Blocks, Counters, Figures, Proxies, SeenProxy, Suspects, Windows
from polling_api.settings import Settings


class Unguarded(Guard):
    """Looks at nothing."""

    def __init__(self) -> None:
        blocks, figures = Blocks(), Figures().meant()
        super().__init__(
            figures=figures,
            proxies=Proxies(()),
            windows=Windows(Counters(), figures),
            blocks=blocks,
            suspects=Suspects("nobody", blocks),
            seen_proxy=SeenProxy(),
            own_hour=lambda _: None,
            clock=time,
        )

    def meet(self, scope: Scope) -> None:
        """See `Guard.meet`."""

    def know(self, scope: Scope, caller: Caller) -> None:
        """See `Guard.know`."""

    def count(self, scope: Scope, job: str | None, endpoint: str) -> None:
        """See `Guard.count`."""

    def told(self, scope: Scope, status: int) -> bytes:  # noqa: ARG002
        """See `Guard.told`."""
        return b""


def unlimited(settings: Settings) -> Service:
    """The service without its guard."""
    core = assemble(settings)
    return service_of(replace(core, limiting=replace(core.limiting, guard=Unguarded())))


if __name__ == "__main__":
    logs.configure("json", "warning")
    if sys.argv[1:] == ["unlimited"]:
        server.create_app = unlimited
    server.run_worker(Settings())
