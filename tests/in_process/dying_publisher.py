"""A program that commits the end of every job that is due, and is killed before it can publish any.

Its one argument is the address of the primary.
"""

import asyncio
import os
import signal
import sys

from in_process.moving import Mover
from polling_api.domain.job import Status
from polling_api.store.engine import connect


async def main(database_url: str) -> None:
    engine = connect(
        database_url,
        pool_size=1,
        max_overflow=0,
        pool_timeout=5,
        statement_timeout=10,
        application_name="dying publisher",
    )
    mover = Mover(engine)
    await mover.commit(await mover.take(), Status.SUCCEEDED)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
