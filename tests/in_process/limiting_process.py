"""A process of its own that asks as often as it may, and says how often it was allowed, and how long it stood still.

Arguments: Redis's address, a client, a name, the client's figure, requests a second, seconds to go on.
"""

import asyncio
import sys
import time

from polling_api.ratelimit import Blocks, Counters, Figures, Reconciler, RedisExchange, Windows, client


async def main(url: str, caller: str, name: str, hour: int, pace: float, seconds: float) -> None:
    counters, party = Counters(), client(caller, Figures(), own_hour=hour)
    windows = Windows(counters, Figures())
    reconciler = Reconciler(RedisExchange(url, name, timeout=0.25), [counters], Blocks(), time.time)
    rounds = asyncio.create_task(reconciler.run())
    allowed = asked = 0
    longest_pause = 0.0
    began = last = time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        while asked < (now - began) * pace:
            asked += 1
            allowed += windows.decide(party, time.time()).allowed
        longest_pause, last = max(longest_pause, now - last), now
        await asyncio.sleep(0.002)
    rounds.cancel()
    print(allowed, asked, longest_pause)  # noqa: T201 - its answer


if __name__ == "__main__":
    url, caller, name, *figures = sys.argv[1:]
    asyncio.run(main(url, caller, name, int(figures[0]), float(figures[1]), float(figures[2])))
