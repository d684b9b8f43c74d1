"""What is kept of webhooks: where to tell, what is to be told, and what came of each attempt.

A delivery is written by the statement that writes the version it tells of, and holds that version whole: so it can be
told although the job was deleted meanwhile. It has no foreign key to its endpoint: that would be checked row by row in
the statement by which a monitor saves a thousand jobs. One whose endpoint is gone is settled by whoever claims it.
"""

from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from polling_api.domain.webhook import DeliveryStatus, EndpointStatus, Topic
from polling_api.store.schema import NEWEST_FIRST, OWNED, TIME, metadata, one_of

_topics = ", ".join(f"'{topic}'" for topic in sorted(Topic))
_EVENTS = f"cardinality(events) > 0 AND events <@ ARRAY[{_topics}]"

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client_id", Text, ForeignKey("clients.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("lane", Text, nullable=False, comment="the owner and the destination, by which turns are shared out"),
    Column("events", ARRAY(Text), nullable=False),
    Column("status", Text, nullable=False),
    Column("disabled_because", Text, comment="gone: it answered 410; owner: its owner said so"),
    Column("secret", LargeBinary, nullable=False, comment="as the vault sealed it"),
    Column("previous_secret", LargeBinary, comment="the one before, which signs too for a while"),
    Column("previous_until", TIME, comment="until then"),
    Column("created_at", TIME, nullable=False),
    Column("failing_since", TIME, comment="the first failure after the last success; null: all is well"),
    CheckConstraint(one_of("status", EndpointStatus), name="status"),
    CheckConstraint(_EVENTS, name="events"),
    CheckConstraint("(previous_secret IS NULL) = (previous_until IS NULL)", name="previous"),
    CheckConstraint("(status = 'disabled') = (disabled_because IS NOT NULL)", name="disabled"),
    Index("webhook_endpoints_of_client", "client_id", "created_at", "id"),
)

# Where one job is told besides, as its submitter asked. It outlives the job by as long as deliveries are kept.
job_webhooks = Table(
    "job_webhooks",
    metadata,
    Column("job_id", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("lane", Text, nullable=False, comment="the owner and the destination, by which turns are shared out"),
    Column("events", ARRAY(Text), nullable=False),
    Column("secret", LargeBinary, nullable=False, comment="as the vault sealed it"),
    Column("gone_at", TIME, comment="when it answered 410; nothing is sent there any more"),
    Column("orphaned_at", TIME, comment="when its job was deleted"),
    PrimaryKeyConstraint("job_id"),
    CheckConstraint(_EVENTS, name="events"),
    Index("job_webhooks_orphaned", "orphaned_at", postgresql_where=text("orphaned_at IS NOT NULL")),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Text, primary_key=True, comment="the `webhook-id`, the same at every attempt"),
    Column("endpoint_id", Text, comment="null: the job's own webhook"),
    Column("target", Text, nullable=False, comment="the endpoint, or the job whose own webhook it is"),
    Column("client_id", Text, comment="the owner; null: of a public job"),
    Column("lane", Text, nullable=False),
    Column("job_id", Text, comment="null: a test"),
    Column("version", Integer),
    Column("event", Text, nullable=False),
    Column("terminal", Boolean, nullable=False, comment="whether it tells an end, which nothing supersedes"),
    Column("job", JSON, comment="the version that is told, as `jobs` held it; null: a test"),
    Column("created_at", TIME, nullable=False),
    Column("status", Text, nullable=False),
    Column("due_at", TIME, comment="when it may be claimed; while leased, the lease's end"),
    Column("lease_owner", Text, comment="the dispatcher that sends it now"),
    Column("tries", Integer, nullable=False, comment="attempts that failed since it was made or replayed"),
    Column("attempts", Integer, nullable=False, comment="all attempts there were"),
    Column("settled_at", TIME, comment="when it was delivered, given up, or superseded"),
    CheckConstraint(one_of("status", DeliveryStatus), name="status"),
    CheckConstraint("(status = 'pending') = (settled_at IS NULL)", name="settled"),
    CheckConstraint("status <> 'pending' OR due_at IS NOT NULL", name="due"),
    CheckConstraint("(job_id IS NULL) = (version IS NULL) AND (job_id IS NULL) = (job IS NULL)", name="job"),
    CheckConstraint("tries >= 0 AND attempts >= tries", name="attempts"),
    # What is due, lane by lane: whoever shares out turns walks the lanes, not what waits in them.
    Index("webhook_deliveries_due", "lane", "due_at", postgresql_where=text("status = 'pending'")),
    # A version is told once to each, and versions of a job have an order.
    Index(
        "webhook_deliveries_of_job",
        "job_id",
        "target",
        "version",
        unique=True,
        postgresql_where=text("job_id IS NOT NULL"),
    ),
    Index("webhook_deliveries_of_client", "client_id", *NEWEST_FIRST, postgresql_where=OWNED),
    Index("webhook_deliveries_of_client_by_status", "client_id", "status", *NEWEST_FIRST, postgresql_where=OWNED),
    Index(
        "webhook_deliveries_of_endpoint",
        "endpoint_id",
        *NEWEST_FIRST,
        postgresql_where=text("endpoint_id IS NOT NULL"),
    ),
    Index("webhook_deliveries_settled", "settled_at", postgresql_where=text("settled_at IS NOT NULL")),
    postgresql_with={
        # Each attempt leaves dead entries in the small index of what is due; see `jobs`.
        "autovacuum_vacuum_scale_factor": 0.01,
        "autovacuum_vacuum_threshold": 2000,
        "autovacuum_analyze_scale_factor": 0.02,
    },
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("delivery_id", Text, nullable=False),
    Column("number", Integer, nullable=False, comment="from 1; the last twenty are kept"),
    Column("at", TIME, nullable=False, comment="when it was begun"),
    Column("status_code", Integer, comment="null: there was no answer"),
    Column("duration_ms", Integer, nullable=False),
    Column("error", Text, comment="why it failed; null: it did not"),
    Column("body", Text, comment="the beginning of the answer"),
    PrimaryKeyConstraint("delivery_id", "number"),
)
