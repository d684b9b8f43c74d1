"""Every setting, with its unit, its default and its reason.

Only the modules that assemble the service read them; parts receive values. Each can be set in the environment with
the prefix `POLLING_`, and `polling-api settings` shows them all.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 1024 * 1024
SHORTEST_MASTER_KEY = 16  # characters; what `openssl rand -hex 32` gives has 64


def _setting(
    default: Any, unit: str, reason: str, *, ge: float | None = None, gt: float | None = None, le: float | None = None
) -> Any:
    return Field(default=default, description=reason, json_schema_extra={"unit": unit}, ge=ge, gt=gt, le=le)


def _listed(value: Any) -> Any:
    """A list written as JSON, or with commas between its items."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.lstrip().startswith("[") else [item.strip() for item in value.split(",") if item]


MasterKey = Annotated[SecretStr, Field(min_length=SHORTEST_MASTER_KEY)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Addresses = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_listed)]
MasterKeys = Annotated[tuple[MasterKey, ...], NoDecode, BeforeValidator(_listed)]


class Settings(BaseSettings):
    """The service's settings, read once at start."""

    model_config = SettingsConfigDict(env_prefix="POLLING_", extra="ignore", frozen=True, hide_input_in_errors=True)

    # Where it runs
    host: str = _setting("127.0.0.1", "address", "Loopback: a newcomer's first run is not open to the network.")
    port: int = _setting(8000, "port", "What uvicorn users expect.", ge=1, le=65535)
    workers: int = _setting(1, "processes", "One process holds 10,000 streams; more use more cores.", ge=1, le=64)
    data_dir: Path = _setting(
        Path(".polling-api"), "folder", "The embedded servers' data and key, the simulator's batches, the log of `run`."
    )
    drain_seconds: float = _setting(
        10, "s", "Streams end spread over this time after SIGTERM, so that their clients do not return at once.", ge=0
    )
    start_within: float = _setting(
        60,
        "s",
        "What starts waits so long for Postgres, its schema, and the processes it starts; machines that are turned on "
        "together come up in any order.",
        ge=0,
    )

    # How requests come
    allowed_hosts: Names = _setting(
        (),
        "names",
        "A request's Host is one of these, with any port; `*` allows all. Unset: HOST, localhost, 127.0.0.1 and [::1]. "
        "A health check that asks by address has to be named too.",
    )
    cors_origins: Names = _setting(
        (), "origins", "Whose pages may read answers, and write; as `https://example.org`. `*` allows all."
    )
    public_authorities: Names = _setting(
        (),
        "names",
        "What clients may sign as `@authority` beside the Host that comes in: the names outside of a proxy that "
        "changes it, each with its port unless that is the scheme's own.",
    )
    head_seconds: float = _setting(10, "s", "A request's head comes in one packet; slower ones hold sockets.", gt=0)
    body_seconds: float = _setting(
        10,
        "s",
        "A body may be silent this long, and take one second longer than this for each `body_rate` bytes of it.",
        gt=0,
    )
    body_rate: float = _setting(16 * 1024, "bytes/s", "Slower than any line over which batches are sent.", gt=0)

    stalled_seconds: float = _setting(
        30,
        "s",
        "Within this a reader takes 64 KiB of what waits for it, or all there is, or its connection is cut: two "
        "comments of a silent stream. A stream whose reader takes nothing is given up after 30 s at the latest.",
        gt=0,
    )
    limit_connections_process: int = _setting(
        24_000,
        "connections",
        "Open at once in a process, idle ones too: all that it holds and some that ask. Fewer where the system gives "
        "it fewer descriptors; 0: as many as those.",
        ge=0,
    )
    limit_connections_address: int = _setting(
        2000,
        "connections",
        "Open at once from one address (IPv6: one /64) in a process: twice what a client holds. Trusted proxies and "
        "this machine itself carry many callers, and are not counted so. 0: no limit.",
        ge=0,
    )

    # Who may ask how much; 0 stands for no limit, and the headers then say a billion
    limit_ip_hour: int = _setting(
        1000, "requests/h", "For unsigned callers of one address (IPv6: of one /64): a poll every 3.6 s.", ge=0
    )
    limit_client_hour: int = _setting(
        10_000, "requests/h", "For a client that signs, unless it has a figure of its own.", ge=0
    )
    limit_token_hour: int = _setting(1000, "requests/h", "For an access token, as one page in a browser has.", ge=0)
    limit_job_minute: int = _setting(
        60, "requests/min", "A caller, job and endpoint; nothing changes oftener than once a second.", ge=0
    )
    limit_burst: int = _setting(
        10, "requests in 10 s", "A caller, job and endpoint; a page that is loaded again and again.", ge=0
    )
    limit_held_ip: int = _setting(100, "requests", "Waits and streams that an address holds open at once.", ge=0)
    limit_held_client: int = _setting(
        1000, "requests", "Waits and streams that a client and the bearers of its tokens hold open at once.", ge=0
    )
    limit_held_token: int = _setting(20, "requests", "Waits and streams that a token holds open at once.", ge=0)
    limit_held_process: int = _setting(
        20_000, "requests", "Waits and streams that a process holds open at once, some 11 KiB each.", ge=0
    )
    overload_lag: float = _setting(
        1, "s", "While all answers of a process are as late as this, it refuses what comes: later is of no use.", gt=0
    )
    overload_requests: int = _setting(
        10_000,
        "requests",
        "Of a process, that wait for anything but a change.",
        gt=0,
    )
    limit_anonymous_jobs: int = _setting(
        100, "jobs", "Unfinished jobs that unsigned callers of one address have at once.", ge=0
    )
    limit_upload_party: int = _setting(
        400 * MIB, "bytes", "Of a caller's uploads at once: two of the largest batches.", ge=0
    )
    limit_upload_process: int = _setting(
        2048 * MIB, "bytes", "Of all uploads at once in a process; they lie on its disk until they are stored.", ge=0
    )
    block_after: int = _setting(
        20,
        "in a minute",
        "Different unknown ids of one caller, or failed signatures of one address, that lead to a block; 0: no blocks.",
        ge=0,
        le=1000,
    )
    block_seconds: float = _setting(
        60, "s", "The first block; each further one is twice as long, up to a day.", ge=1, le=86_400
    )
    trusted_proxies: Names = _setting(
        (),
        "networks",
        "CIDRs whose `Forwarded` and `X-Forwarded-For` say who the caller is; `unix` for Unix sockets. Anybody else's "
        "are ignored: who may name itself has no limit.",
    )

    # What it stands on
    database_url: SecretStr | None = _setting(None, "URL", "Unset: an embedded Postgres is started in the data folder.")
    redis_url: SecretStr | None = _setting(None, "URL", "Unset: an embedded Redis is started on a Unix socket.")
    database_pooled: bool = _setting(
        default=False,
        unit="flag",
        reason="DATABASE_URL leads to a pooler in transaction mode, as PgBouncer: nothing is prepared or set there "
        "that outlives a transaction. Give the role a `statement_timeout`.",
    )
    direct_url: SecretStr | None = _setting(
        None, "URL", "Postgres itself where DATABASE_URL leads to a pooler, for migrations, which lock a session."
    )
    replica_urls: Addresses = _setting(
        (),
        "URLs",
        "Streaming replicas of the database, asked by turns for the status of jobs that are not in memory. Each is out "
        "while it lags or does not answer. They are pooled or not as DATABASE_URL is.",
    )
    replica_lag: float = _setting(
        1, "s", "A replica that lacks something for longer is out: what it tells is mostly of no use by then.", gt=0
    )
    replica_timeout: float = _setting(
        0.25, "s", "A read of a replica that takes longer is given up, and the primary asked.", gt=0
    )
    pool_size: int = _setting(
        20, "connections", "Held open by a node, that is by its workers and its monitor together.", ge=1
    )
    pool_overflow: int = _setting(
        40, "connections", "Beside those, for bursts. A default server has room for 97 in all.", ge=0
    )
    pool_timeout: float = _setting(2, "s", "A request that waits longer for a connection is better refused.", gt=0)
    connect_timeout: float = _setting(2, "s", "A primary that takes longer to greet is of no use to a request.", gt=0)
    statement_timeout: float = _setting(
        4, "s", "A request waits no longer for a statement; COPY, and what monitors do, have longer ones.", gt=0
    )
    monitor_statement_timeout: float = _setting(
        15, "s", "A monitor's statements move hundreds of jobs, and nobody waits for them.", gt=0
    )
    lock_timeout: float = _setting(
        2, "s", "A row is held for milliseconds; whoever waits longer for it waits for something that hangs.", gt=0
    )
    transaction_idle: float = _setting(
        10, "s", "A transaction that idles holds locks, and hides later commits from those who replay.", gt=0
    )
    connection_idle: float = _setting(
        900, "s", "The server closes a connection that was not used for so long: bursts are over by then.", gt=0
    )
    heartbeat_every: float = _setting(0.5, "s", "How often each process asks Postgres whether it answers.", gt=0)
    heartbeat_timeout: float = _setting(
        1, "s", "Two beats in a row that take longer open the circuit, which refuses all that needs Postgres.", gt=0
    )
    redis_timeout: float = _setting(0.25, "s", "Nothing waits longer for Redis: it only carries hints.", gt=0)
    nonce_timeout: float = _setting(
        0.02, "s", "The one call that a signed request waits for; without its answer, reads of status go on.", gt=0
    )

    # The status cache
    cache_ttl: float = _setting(
        30,
        "s",
        "Statuses are kept in Redis this long after they were seen in Postgres; sweeps and polls renew them.",
        ge=1,
        le=3600,
    )
    cache_deadline: float = _setting(
        0.02, "s", "A look into Redis that takes longer is given up, and Postgres asked: that takes milliseconds.", gt=0
    )
    absence_keep: float = _setting(
        5, "s", "Who asks again for an unknown id costs Postgres nothing for this long; a submit ends it.", gt=0, le=60
    )
    warm_jobs: int = _setting(
        10_000, "jobs", "Unfinished ones read into memory at start, some 2 KiB each; half of `max_snapshots`.", ge=0
    )

    # Signing
    master_keys: MasterKeys = _setting(
        (),
        "secrets",
        "The first signs and encrypts, all verify and decrypt. Unset with an embedded Postgres: DATA_DIR/master.key.",
    )

    # The provider
    provider: Literal["auto", "openai", "simulator"] = _setting(
        "auto", "name", "auto: the simulator unless `upstream_url` or `upstream_api_key` is set."
    )
    upstream_url: str | None = _setting(None, "URL", "Base address of the provider's API, as `https://…/v1`.")
    upstream_api_key: SecretStr | None = _setting(None, "secret", "Sent as a bearer token to the provider.")
    upstream_timeout: float = _setting(20, "s", "A provider's call that takes longer is tried again.", gt=0)
    upstream_concurrency: int = _setting(16, "calls", "At once to the provider from one monitor.", ge=1)
    simulator_port: int = _setting(8001, "port", "The simulator speaks the provider's wire here.", ge=1, le=65535)

    # The monitor
    monitor_interval: float = _setting(30, "s", "Between two looks upstream at a job; providers limit calls.", gt=0)
    lease_seconds: float = _setting(30, "s", "A dead monitor's jobs are taken over after this long.", gt=0)
    submit_within: float = _setting(86_400, "s", "A job that the provider could not take for a day has failed.", gt=0)

    # Submitting
    anonymous_submit: bool = _setting(
        default=False, unit="flag", reason="Unsigned callers may spend a real provider's money only if asked."
    )
    endpoints: tuple[str, ...] = _setting(
        ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions", "/v1/images/generations"),
        "paths",
        "What the provider's batches know; the first is the default.",
    )
    max_json_bytes: int = _setting(4 * MIB, "bytes", "JSON is parsed whole, and stalls the loop while it is.", gt=0)
    max_batch_bytes: int = _setting(200 * MIB, "bytes", "The provider's own bound on a batch file.", gt=0)
    anonymous_batch_bytes: int = _setting(4 * MIB, "bytes", "What a caller may leave here whom nobody knows.", gt=0)
    max_line_bytes: int = _setting(1 * MIB, "bytes", "A line is parsed whole.", gt=0)
    max_requests: int = _setting(50_000, "requests", "The provider's own bound on a batch.", gt=0)
    idempotency_keep: float = _setting(
        86_400, "s", "An Idempotency-Key stands for its job this long; clients give up repeating sooner.", gt=0
    )

    # Keeping
    results_keep: float = _setting(30 * 86_400, "s", "Results and requests are kept this long after the end.", gt=0)
    jobs_keep: float = _setting(90 * 86_400, "s", "Jobs and their history are kept this long after the end.", gt=0)
    audit_keep: float = _setting(
        365 * 86_400, "s", "The audit log is shown this long; a month of it is deleted when all of it is older.", gt=0
    )
    retention_every: float = _setting(
        60, "s", "How often a monitor deletes what is over; half of the time at most is spent on it.", gt=0
    )

    # Watching
    max_wait: int = _setting(30, "s", "Proxies on the way cut requests that are silent for longer.", ge=0)
    snapshot_kept: float = _setting(
        300, "s", "While Postgres is away, states confirmed within this time are served, marked with their age.", ge=0
    )
    ended_snapshot_kept: float = _setting(
        86_400,
        "s",
        "The same where the job has ended: that cannot change, and a client's own cache keeps it so long.",
        ge=0,
    )
    keepalive_every: float = _setting(15, "s", "A silent stream is cut by proxies after some 30 s.", gt=0)
    compare_every: float = _setting(3, "s", "A lost notification is made up for within this time.", gt=0)
    max_snapshots: int = _setting(20_000, "jobs", "Held in memory by a process, some 6 KiB each.", gt=0)
    snapshot_idle: float = _setting(90, "s", "Three polite polls: the next poller finds the snapshot in memory.", gt=0)

    # Telling
    log_format: Literal["auto", "json", "console"] = _setting("auto", "name", "auto: console on a terminal, else JSON.")
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "name", "Polls are logged at debug.")

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
