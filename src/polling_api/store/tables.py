"""What is kept in Postgres. The migrations in `alembic/` make the same; a test compares the two.

There are no foreign keys to `jobs`: a batch arrives in one COPY of up to 50,000 rows, and Postgres would check
each of them by a query of its own. A job is written with its requests in one transaction. It is deleted at once,
with its versions; its requests and results, which may be many, are queued in `purges` by the same transaction, and
deleted a few at a time. Nobody can see them meanwhile: they are read by way of their job.
"""

import re

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from polling_api.domain.job import TERMINAL, Outcome, Status
from polling_api.domain.result import StrayKind
from polling_api.store.schema import NEWEST_FIRST, OWNED, TIME, metadata, one_of
from polling_api.store.webhook_tables import job_webhooks, webhook_attempts, webhook_deliveries, webhook_endpoints
from polling_api.store.xids import PgSnapshot, Xid8

__all__ = [
    "AUDIT_PARTITION",
    "audit",
    "belongs_to_the_schema",
    "clients",
    "idempotency_keys",
    "job_webhooks",
    "jobs",
    "keys",
    "metadata",
    "purges",
    "replica_beats",
    "requests",
    "results",
    "strays",
    "transitions",
    "webhook_attempts",
    "webhook_deliveries",
    "webhook_endpoints",
]

_STATUS = one_of("status", frozenset(Status))
_ENDED = f"({one_of('status', frozenset(TERMINAL))}) = (finished_at IS NOT NULL)"
_COUNTS = "completed >= 0 AND failed >= 0 AND expired >= 0 AND cancelled >= 0"
_ERROR = "(error_code IS NULL) = (error_message IS NULL)"
_VERSIONS = "version >= status_version AND status_version >= 1"

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client_id", Text, comment="null: public, whoever knows the id may read it"),
    Column("provider", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    # json, not jsonb: the client gets its keys back in its own order
    Column("metadata", JSON, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_version", Integer, nullable=False, comment="the version in which the status began"),
    Column("total", Integer, nullable=False),
    Column("completed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("expired", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("poll_after", Integer, nullable=False, comment="seconds until asking again is worth it"),
    Column("created_at", TIME, nullable=False),
    Column("updated_at", TIME, nullable=False, comment="when this version was made; rises with it"),
    Column("started_at", TIME),
    Column("finished_at", TIME),
    Column("expires_at", TIME, comment="the earlier of the provider's deadline and the job's own"),
    Column("results_expire_at", TIME),
    Column("deadline_at", TIME, comment="the job's own deadline"),
    Column("cancel_requested_at", TIME),
    Column("upstream_id", Text, comment="the provider's name for the batch"),
    Column("due_at", TIME, nullable=False, comment="when a monitor may claim it; while leased, the lease's end"),
    Column("lease_owner", Text, comment="the monitor that holds it"),
    Column("attempts", Integer, nullable=False, comment="looks in a row that came to nothing"),
    Column("observed_at", TIME, comment="when the provider last confirmed what is known"),
    Column("results_purged_at", TIME, comment="when its requests and results were given up to be deleted"),
    Column("submitter", Text, comment="the address of whoever submitted it unsigned; null: a client's, or not counted"),
    CheckConstraint(_STATUS, name="status"),
    CheckConstraint(_ENDED, name="ended"),
    CheckConstraint(_VERSIONS, name="versions"),
    CheckConstraint(f"total >= 1 AND {_COUNTS}", name="counts"),
    CheckConstraint("completed + failed + expired + cancelled <= total", name="sum"),
    CheckConstraint("finished_at IS NULL OR completed + failed + expired + cancelled = total", name="all_settled"),
    CheckConstraint(_ERROR, name="error"),
    CheckConstraint("attempts >= 0 AND poll_after >= 1", name="pace"),
    Index("jobs_due", "due_at", postgresql_where=text("finished_at IS NULL")),
    # What retention looks for, each without what it has dealt with already.
    Index(
        "jobs_results_expiring",
        "results_expire_at",
        postgresql_where=text("results_expire_at IS NOT NULL AND results_purged_at IS NULL"),
    ),
    # How many an address has that nobody has finished; small, however many jobs there are.
    Index(
        "jobs_unfinished_of_submitter",
        "submitter",
        postgresql_where=text("submitter IS NOT NULL AND finished_at IS NULL"),
    ),
    # What the provider's events name; small likewise.
    Index(
        "jobs_unfinished_of_batch",
        "upstream_id",
        postgresql_where=text("upstream_id IS NOT NULL AND finished_at IS NULL"),
    ),
    Index("jobs_finished", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    # A client's list. With a filter each status has its own stretch of the second, already in order.
    Index("jobs_of_client", "client_id", *NEWEST_FIRST, postgresql_where=OWNED),
    Index("jobs_of_client_by_status", "client_id", "status", *NEWEST_FIRST, postgresql_where=OWNED),
    postgresql_with={
        # Saving progress moves no indexed column as long as the lease is kept: with room on the page the new
        # row stays there, and no index is touched (heap-only tuple).
        "fillfactor": 80,
        # Each claim leaves a dead entry in the small index of unfinished jobs. By default vacuum waits for a
        # fifth of the whole table, finished jobs and all, and claims would wade through the dead until then.
        "autovacuum_vacuum_scale_factor": 0.01,
        "autovacuum_vacuum_threshold": 2000,
        # The share of unfinished jobs is what the planner has to know, and it moves within minutes.
        "autovacuum_analyze_scale_factor": 0.02,
    },
)

requests = Table(
    "requests",
    metadata,
    Column("job_id", Text, nullable=False),
    Column("position", Integer, nullable=False, comment="order of submission, from 0, without gaps"),
    Column("custom_id", Text, nullable=False),
    Column("body", Text, nullable=False, comment="JSON as it was sent"),
    PrimaryKeyConstraint("job_id", "position"),
    UniqueConstraint("job_id", "custom_id"),
    CheckConstraint("position >= 0", name="position"),
)

results = Table(
    "results",
    metadata,
    Column("job_id", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("response", Text, comment="JSON of status_code and body, as the provider sent it"),
    Column("error_code", Text),
    Column("error_message", Text),
    PrimaryKeyConstraint("job_id", "position"),
    CheckConstraint(one_of("outcome", frozenset(Outcome)), name="outcome"),
    CheckConstraint(_ERROR, name="error"),
)

# One row a version: with what `jobs` says of all versions alike, enough to give back the job as it was.
transitions = Table(
    "transitions",
    metadata,
    Column("job_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_version", Integer, nullable=False),
    Column("completed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("expired", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("poll_after", Integer, nullable=False),
    Column("updated_at", TIME, nullable=False, comment="when this version was made"),
    Column("started_at", TIME),
    Column("finished_at", TIME),
    Column("expires_at", TIME),
    Column("results_expire_at", TIME),
    Column("client_id", Text, comment="the owner of the job; null: public"),
    Column(
        "xid",
        Xid8,
        server_default=text("pg_current_xact_id()"),
        comment="the transaction that wrote it; null: from before it was noted",
    ),
    PrimaryKeyConstraint("job_id", "version"),
    CheckConstraint(_STATUS, name="status"),
    CheckConstraint(_ENDED, name="ended"),
    CheckConstraint(_VERSIONS, name="versions"),
    CheckConstraint(_COUNTS, name="counts"),
    Index("transitions_of_client", "client_id", "xid", "job_id", "version", postgresql_where=OWNED),
)

# A row says that what was sent under a key is a job. The job's own transaction writes and deletes it, so there is
# never a row without its job.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", Text, nullable=False, comment="whose key it is; empty: of those who only know the key"),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False, comment="tells what was sent from anything else"),
    Column("job_id", Text, nullable=False),
    Column("expires_at", TIME, nullable=False),
    PrimaryKeyConstraint("scope", "key"),
    Index("idempotency_keys_expiring", "expires_at"),
    Index("idempotency_keys_of_job", "job_id"),
)

# Jobs whose requests, results and strays are to be deleted; the job itself may be gone.
purges = Table(
    "purges",
    metadata,
    Column("job_id", Text, nullable=False),
    Column("queued_at", TIME, nullable=False),
    PrimaryKeyConstraint("job_id"),
    Index("purges_queued", "queued_at"),
)

# What the provider told and nothing of the job fits, for people to look into.
strays = Table(
    "strays",
    metadata,
    Column("job_id", Text, nullable=False),
    Column("number", BigInteger, nullable=False, comment="its place in all that was told of the job, from 0"),
    Column("kind", Text, nullable=False),
    Column("custom_id", Text),
    Column("line", Text, nullable=False, comment="the beginning of what was told"),
    PrimaryKeyConstraint("job_id", "number"),
    CheckConstraint(one_of("kind", frozenset(StrayKind)), name="kind"),
)

# Clients and keys are few, and stay: what was done with a key that has ended can still be told.
clients = Table(
    "clients",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("limits", JSON, comment="null: those of all clients"),
    Column("api_version", Text, comment="the one that is pinned; null: the newest"),
    Index("clients_listed", "created_at", "id"),
    Index("clients_with_limits", "id", postgresql_where=text("limits IS NOT NULL")),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client_id", Text, ForeignKey("clients.id"), nullable=False),
    Column("secret", LargeBinary, nullable=False, comment="as the vault sealed it"),
    Column(
        "made_by",
        Text,
        ForeignKey("keys.id"),
        comment="the key that made it, with which it ends; null: the operator",
    ),
    Column("created_at", TIME, nullable=False),
    Column("granted_until", TIME, comment="the end it was made with; null: none"),
    Column("expires_at", TIME, comment="its end: sooner than granted where another key took its place"),
    Column("revoked_at", TIME),
    Column("last_used_at", TIME, comment="true to the minute"),
    CheckConstraint("granted_until IS NULL OR expires_at IS NOT NULL AND expires_at <= granted_until", name="granted"),
    Index("keys_of_client", "client_id", "created_at", "id"),
    Index("keys_made_by", "made_by", postgresql_where=text("made_by IS NOT NULL")),
    # What has ended lately is asked every two seconds by every process.
    Index("keys_expiring", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    Index("keys_revoked", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
    # Noting its use moves no indexed column: with room on the page no index is touched (heap-only tuple).
    postgresql_with={"fillfactor": 80},
)

# One row, written a few times a second while there are replicas: what a replica has of it says up to when it has all
# the rest. See `beats`.
replica_beats = Table(
    "replica_beats",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column(
        "at", TIME, nullable=False, comment="when the last beat was made, by the clock of the primary it was made on"
    ),
    Column("snapshot", PgSnapshot, nullable=False, comment="what was to be seen in the primary when it was made"),
    Column("recent", ARRAY(Text), nullable=False, comment="the last beats, each a random number; the newest first"),
    CheckConstraint("id = 1", name="one"),
    # No indexed column ever changes: with room on the page each beat is a heap-only tuple, and takes an older one's.
    postgresql_with={"fillfactor": 10},
)

# Kept in a partition for each month, which is dropped as a whole: see `audit_partitions`. They come and go with time,
# and are no part of the schema.
audit = Table(
    "audit",
    metadata,
    Column("at", TIME, nullable=False, comment="when it was recorded; of refusals, when their minute began"),
    Column("id", Text, nullable=False),
    Column("client_id", Text, comment="whose job, key or token it was about"),
    Column("actor", Text, nullable=False, comment="who did it"),
    Column("action", Text, nullable=False),
    Column("job_id", Text),
    Column("address", Text, comment="where it came from; null: from several"),
    Column("outcome", Text, nullable=False, comment="`allowed`, or the code of the problem that was told"),
    Column("count", Integer, nullable=False, comment="how many times in its minute; 1 for all but refusals"),
    Column("correlation_id", Text, comment="the caller's"),
    Column("request_id", Text, comment="ours"),
    PrimaryKeyConstraint("at", "id"),
    CheckConstraint("count >= 1", name="count"),
    # Its owner's pages. What belongs to nobody is read by time alone.
    Index("audit_of_client", "client_id", "at", "id", postgresql_where=text("client_id IS NOT NULL")),
    postgresql_partition_by="RANGE (at)",
)

AUDIT_PARTITION = re.compile(r"audit_(?P<year>\d{4})_(?P<month>\d{2})")


def belongs_to_the_schema(name: str | None, kind: str, _parents: object) -> bool:
    """Leave partitions out where the tables of a database are compared with these (Alembic's `include_name`)."""
    return kind != "table" or not AUDIT_PARTITION.fullmatch(name or "")
