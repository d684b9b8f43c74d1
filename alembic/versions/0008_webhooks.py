"""Webhooks: where to tell, what is to be told, and what came of each attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
EVENTS = "cardinality(events) > 0 AND events <@ ARRAY['status', 'terminal']"
NEWEST_FIRST = [sa.text("created_at DESC"), sa.text("id DESC")]


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        lane(comment="the owner and the destination, by which turns are shared out"),
        sa.Column("events", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("disabled_because", sa.Text(), comment="gone: it answered 410; owner: its owner said so"),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="as the vault sealed it"),
        sa.Column("previous_secret", sa.LargeBinary(), comment="the one before, which signs too for a while"),
        sa.Column("previous_until", TIME, comment="until then"),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("failing_since", TIME, comment="the first failure after the last success; null: all is well"),
        sa.CheckConstraint("status IN ('disabled', 'enabled')", name=op.f("webhook_endpoints_status_check")),
        sa.CheckConstraint(EVENTS, name=op.f("webhook_endpoints_events_check")),
        sa.CheckConstraint(
            "(previous_secret IS NULL) = (previous_until IS NULL)", name=op.f("webhook_endpoints_previous_check")
        ),
        sa.CheckConstraint(
            "(status = 'disabled') = (disabled_because IS NOT NULL)", name=op.f("webhook_endpoints_disabled_check")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("webhook_endpoints_client_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_endpoints_pkey")),
    )
    op.create_index("webhook_endpoints_of_client", "webhook_endpoints", ["client_id", "created_at", "id"])
    op.create_table(
        "job_webhooks",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        lane(comment="the owner and the destination, by which turns are shared out"),
        sa.Column("events", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="as the vault sealed it"),
        sa.Column("gone_at", TIME, comment="when it answered 410; nothing is sent there any more"),
        sa.Column("orphaned_at", TIME, comment="when its job was deleted"),
        sa.CheckConstraint(EVENTS, name=op.f("job_webhooks_events_check")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("job_webhooks_pkey")),
    )
    partial_index("job_webhooks_orphaned", "job_webhooks", ["orphaned_at"], "orphaned_at IS NOT NULL")
    create_deliveries()
    op.create_table(
        "webhook_attempts",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="from 1; the last twenty are kept"),
        sa.Column("at", TIME, nullable=False, comment="when it was begun"),
        sa.Column("status_code", sa.Integer(), comment="null: there was no answer"),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), comment="why it failed; null: it did not"),
        sa.Column("body", sa.Text(), comment="the beginning of the answer"),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("webhook_attempts_pkey")),
    )


def create_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Text(), nullable=False, comment="the `webhook-id`, the same at every attempt"),
        sa.Column("endpoint_id", sa.Text(), comment="null: the job's own webhook"),
        sa.Column("target", sa.Text(), nullable=False, comment="the endpoint, or the job whose own webhook it is"),
        sa.Column("client_id", sa.Text(), comment="the owner; null: of a public job"),
        lane(),
        sa.Column("job_id", sa.Text(), comment="null: a test"),
        sa.Column("version", sa.Integer()),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column(
            "terminal", sa.Boolean(), nullable=False, comment="whether it tells an end, which nothing supersedes"
        ),
        sa.Column("job", sa.JSON(), comment="the version that is told, as `jobs` held it; null: a test"),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("due_at", TIME, comment="when it may be claimed; while leased, the lease's end"),
        sa.Column("lease_owner", sa.Text(), comment="the dispatcher that sends it now"),
        sa.Column("tries", sa.Integer(), nullable=False, comment="attempts that failed since it was made or replayed"),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="all attempts there were"),
        sa.Column("settled_at", TIME, comment="when it was delivered, given up, or superseded"),
        sa.CheckConstraint(
            "status IN ('dead', 'delivered', 'pending', 'superseded')", name=op.f("webhook_deliveries_status_check")
        ),
        sa.CheckConstraint(
            "(status = 'pending') = (settled_at IS NULL)", name=op.f("webhook_deliveries_settled_check")
        ),
        sa.CheckConstraint("status <> 'pending' OR due_at IS NOT NULL", name=op.f("webhook_deliveries_due_check")),
        sa.CheckConstraint(
            "(job_id IS NULL) = (version IS NULL) AND (job_id IS NULL) = (job IS NULL)",
            name=op.f("webhook_deliveries_job_check"),
        ),
        sa.CheckConstraint("tries >= 0 AND attempts >= tries", name=op.f("webhook_deliveries_attempts_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_deliveries_pkey")),
        postgresql_with={
            "autovacuum_vacuum_scale_factor": 0.01,
            "autovacuum_vacuum_threshold": 2000,
            "autovacuum_analyze_scale_factor": 0.02,
        },
    )
    table = "webhook_deliveries"
    partial_index("webhook_deliveries_due", table, ["lane", "due_at"], "status = 'pending'")
    partial_index(
        "webhook_deliveries_of_job", table, ["job_id", "target", "version"], "job_id IS NOT NULL", unique=True
    )
    partial_index("webhook_deliveries_of_client", table, ["client_id", *NEWEST_FIRST], "client_id IS NOT NULL")
    partial_index(
        "webhook_deliveries_of_client_by_status",
        table,
        ["client_id", "status", *NEWEST_FIRST],
        "client_id IS NOT NULL",
    )
    partial_index("webhook_deliveries_of_endpoint", table, ["endpoint_id", *NEWEST_FIRST], "endpoint_id IS NOT NULL")
    partial_index("webhook_deliveries_settled", table, ["settled_at"], "settled_at IS NOT NULL")


def lane(comment: str | None = None) -> sa.Column[str]:
    return sa.Column("lane", sa.Text(), nullable=False, comment=comment)


def partial_index(
    name: str, table: str, columns: list[str | sa.TextClause], condition: str, *, unique: bool = False
) -> None:
    op.create_index(name, table, columns, unique=unique, postgresql_where=sa.text(condition))


def downgrade() -> None:
    op.drop_table("webhook_attempts")
    op.drop_table("webhook_deliveries")
    op.drop_table("job_webhooks")
    op.drop_table("webhook_endpoints")
