"""A process that records, tells what it was told is recorded, and is killed between a commit and its answers.

    python audit_process.py DATABASE_URL NTH

Writes the number of each entry to standard output as soon as `record` returns. When the NTH group is committed it
sends itself KILL, as a power cut would end it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from itertools import count

from polling_api.audit import AuditLog
from polling_api.domain.audit import Entry
from polling_api.store import audit
from polling_api.store.engine import connect

READERS = 20


async def main(database_url: str, nth: str) -> None:
    engine = connect(
        database_url,
        pool_size=4,
        max_overflow=4,
        pool_timeout=5,
        statement_timeout=5,
        application_name="audit",
    )
    left = int(nth)

    async def write(entries: Sequence[Entry], /) -> None:
        nonlocal left
        await audit.add(engine, entries)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    log, numbers = AuditLog(write), count()

    async def keep_reading() -> None:
        for number in numbers:
            entry = Entry(client_id=None, actor="anonymous", action="results.read", request_id=str(number))
            await log.record(entry)
            os.write(1, f"{number}\n".encode())

    await asyncio.gather(*(keep_reading() for _ in range(READERS)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
