"""What the service stands on, what it keeps there, and for how long."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from polling_api.settings.forms import Addresses, MasterKeys, setting


class Storing(BaseSettings):
    """What the service stands on, what it keeps there, and for how long."""

    # What it stands on
    database_url: SecretStr | None = setting(None, "URL", "Unset: an embedded Postgres is started in the data folder.")
    redis_url: SecretStr | None = setting(None, "URL", "Unset: an embedded Redis is started on a Unix socket.")
    database_pooled: bool = setting(
        default=False,
        unit="flag",
        reason="DATABASE_URL leads to a pooler in transaction mode, as PgBouncer: nothing is prepared or set there "
        "that outlives a transaction. Give the role a `statement_timeout`.",
    )
    direct_url: SecretStr | None = setting(
        None, "URL", "Postgres itself where DATABASE_URL leads to a pooler, for migrations, which lock a session."
    )
    replica_urls: Addresses = setting(
        (),
        "URLs",
        "Streaming replicas of the database, asked by turns for the status of jobs that are not in memory. Each is out "
        "while it lags or does not answer. They are pooled or not as DATABASE_URL is.",
    )
    replica_lag: float = setting(
        1, "s", "A replica that lacks something for longer is out: what it tells is mostly of no use by then.", gt=0
    )
    replica_timeout: float = setting(
        0.25, "s", "A read of a replica that takes longer is given up, and the primary asked.", gt=0
    )
    pool_size: int = setting(
        20, "connections", "Held open by a node, that is by its workers and its monitor together.", ge=1
    )
    pool_overflow: int = setting(
        40, "connections", "Beside those, for bursts. A default server has room for 97 in all.", ge=0
    )
    pool_timeout: float = setting(2, "s", "A request that waits longer for a connection is better refused.", gt=0)
    connect_timeout: float = setting(2, "s", "A primary that takes longer to greet is of no use to a request.", gt=0)
    statement_timeout: float = setting(
        4, "s", "A request waits no longer for a statement; COPY, and what monitors do, have longer ones.", gt=0
    )
    monitor_statement_timeout: float = setting(
        15, "s", "A monitor's statements move hundreds of jobs, and nobody waits for them.", gt=0
    )
    lock_timeout: float = setting(
        2, "s", "A row is held for milliseconds; whoever waits longer for it waits for something that hangs.", gt=0
    )
    transaction_idle: float = setting(
        10, "s", "A transaction that idles holds locks, and hides later commits from those who replay.", gt=0
    )
    connection_idle: float = setting(
        900, "s", "The server closes a connection that was not used for so long: bursts are over by then.", gt=0
    )
    heartbeat_every: float = setting(0.5, "s", "How often each process asks Postgres whether it answers.", gt=0)
    heartbeat_timeout: float = setting(
        1, "s", "Two beats in a row that take longer open the circuit, which refuses all that needs Postgres.", gt=0
    )
    redis_timeout: float = setting(0.25, "s", "Nothing waits longer for Redis: it only carries hints.", gt=0)
    nonce_timeout: float = setting(
        0.02, "s", "The one call that a signed request waits for; without its answer, reads of status go on.", gt=0
    )

    # The status cache
    cache_ttl: float = setting(
        30,
        "s",
        "Statuses are kept in Redis this long after they were seen in Postgres; sweeps and polls renew them.",
        ge=1,
        le=3600,
    )
    cache_deadline: float = setting(
        0.02, "s", "A look into Redis that takes longer is given up, and Postgres asked: that takes milliseconds.", gt=0
    )
    absence_keep: float = setting(
        5, "s", "Who asks again for an unknown id costs Postgres nothing for this long; a submit ends it.", gt=0, le=60
    )
    warm_jobs: int = setting(
        10_000, "jobs", "Unfinished ones read into memory at start, some 2 KiB each; half of `max_snapshots`.", ge=0
    )

    # Signing
    master_keys: MasterKeys = setting(
        (),
        "secrets",
        "The first signs and encrypts, all verify and decrypt. Unset with an embedded Postgres: DATA_DIR/master.key.",
    )

    # Keeping
    results_keep: float = setting(30 * 86_400, "s", "Results and requests are kept this long after the end.", gt=0)
    jobs_keep: float = setting(90 * 86_400, "s", "Jobs and their history are kept this long after the end.", gt=0)
    audit_keep: float = setting(
        365 * 86_400, "s", "The audit log is shown this long; a month of it is deleted when all of it is older.", gt=0
    )
    retention_every: float = setting(
        60, "s", "How often a monitor deletes what is over; half of the time at most is spent on it.", gt=0
    )
