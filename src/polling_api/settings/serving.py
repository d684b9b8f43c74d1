"""Where the service runs, how requests reach it, and what it tells."""

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings

from polling_api.settings.forms import Names, setting


class Serving(BaseSettings):
    """Where the service runs, how requests reach it, and what it tells."""

    # Where it runs
    host: str = setting("127.0.0.1", "address", "Loopback: a newcomer's first run is not open to the network.")
    port: int = setting(8000, "port", "What uvicorn users expect.", ge=1, le=65535)
    workers: int = setting(1, "processes", "One process holds 10,000 streams; more use more cores.", ge=1, le=64)
    data_dir: Path = setting(
        Path(".polling-api"), "folder", "The embedded servers' data and key, the simulator's batches, the log of `run`."
    )
    drain_seconds: float = setting(
        10, "s", "Streams end spread over this time after SIGTERM, so that their clients do not return at once.", ge=0
    )
    start_within: float = setting(
        60,
        "s",
        "What starts waits so long for Postgres, its schema, and the processes it starts; machines that are turned on "
        "together come up in any order.",
        ge=0,
    )

    # How requests come
    allowed_hosts: Names = setting(
        (),
        "names",
        "A request's Host is one of these, with any port; `*` allows all. Unset: HOST, localhost, 127.0.0.1 and [::1]. "
        "A health check that asks by address has to be named too.",
    )
    cors_origins: Names = setting(
        (), "origins", "Whose pages may read answers, and write; as `https://example.org`. `*` allows all."
    )
    public_authorities: Names = setting(
        (),
        "names",
        "What clients may sign as `@authority` beside the Host that comes in: the names outside of a proxy that "
        "changes it, each with its port unless that is the scheme's own.",
    )
    head_seconds: float = setting(10, "s", "A request's head comes in one packet; slower ones hold sockets.", gt=0)
    body_seconds: float = setting(
        10,
        "s",
        "A body may be silent this long, and take one second longer than this for each `body_rate` bytes of it.",
        gt=0,
    )
    body_rate: float = setting(16 * 1024, "bytes/s", "Slower than any line over which batches are sent.", gt=0)

    stalled_seconds: float = setting(
        30,
        "s",
        "Within this a reader takes 64 KiB of what waits for it, or all there is, or its connection is cut: two "
        "comments of a silent stream. A stream whose reader takes nothing is given up after 30 s at the latest.",
        gt=0,
    )
    limit_connections_process: int = setting(
        24_000,
        "connections",
        "Open at once in a process, idle ones too: all that it holds and some that ask. Fewer where the system gives "
        "it fewer descriptors; 0: as many as those.",
        ge=0,
    )
    limit_connections_address: int = setting(
        2000,
        "connections",
        "Open at once from one address (IPv6: one /64) in a process: twice what a client holds. Trusted proxies and "
        "this machine itself carry many callers, and are not counted so. 0: no limit.",
        ge=0,
    )

    # Watching
    max_wait: int = setting(30, "s", "Proxies on the way cut requests that are silent for longer.", ge=0)
    snapshot_kept: float = setting(
        300, "s", "While Postgres is away, states confirmed within this time are served, marked with their age.", ge=0
    )
    ended_snapshot_kept: float = setting(
        86_400,
        "s",
        "The same where the job has ended: that cannot change, and a client's own cache keeps it so long.",
        ge=0,
    )
    keepalive_every: float = setting(15, "s", "A silent stream is cut by proxies after some 30 s.", gt=0)
    compare_every: float = setting(3, "s", "A lost notification is made up for within this time.", gt=0)
    max_snapshots: int = setting(20_000, "jobs", "Held in memory by a process, some 6 KiB each.", gt=0)
    snapshot_idle: float = setting(90, "s", "Three polite polls: the next poller finds the snapshot in memory.", gt=0)

    # Telling
    log_format: Literal["auto", "json", "console"] = setting("auto", "name", "auto: console on a terminal, else JSON.")
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "name", "Polls are logged at debug.")
