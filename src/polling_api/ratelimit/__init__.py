"""Limits, what is held at once, blocks, and who a caller is; see `docs/decisions/0015-limits.md`."""

from polling_api.ratelimit.address import Proxies, address_of
from polling_api.ratelimit.blocks import Block, Blocks
from polling_api.ratelimit.counters import Counters
from polling_api.ratelimit.exchange import Exchange, LocalExchange, SharedMemory
from polling_api.ratelimit.held import Held
from polling_api.ratelimit.own_figures import OwnFigures
from polling_api.ratelimit.party import Figures, Party, bearer, client, nobody
from polling_api.ratelimit.reconciler import Reconciler
from polling_api.ratelimit.redis_exchange import RedisExchange
from polling_api.ratelimit.seen_proxy import SeenProxy
from polling_api.ratelimit.storage import CountersStorage
from polling_api.ratelimit.suspects import Suspects
from polling_api.ratelimit.uploads import Uploads
from polling_api.ratelimit.windows import POLL, STREAM, WAIT, Decision, Windows, weight_of

__all__ = [
    "POLL",
    "STREAM",
    "WAIT",
    "Block",
    "Blocks",
    "Counters",
    "CountersStorage",
    "Decision",
    "Exchange",
    "Figures",
    "Held",
    "LocalExchange",
    "OwnFigures",
    "Party",
    "Proxies",
    "Reconciler",
    "RedisExchange",
    "SeenProxy",
    "SharedMemory",
    "Suspects",
    "Uploads",
    "Windows",
    "address_of",
    "bearer",
    "client",
    "nobody",
    "weight_of",
]
