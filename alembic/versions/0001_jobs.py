"""Jobs, their requests, results and versions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATUS = (
    "status IN ('cancelled', 'cancelling', 'expired', 'failed', 'finalizing', 'in_progress', 'queued', "
    "'submitting', 'succeeded')"
)
ENDED = "(status IN ('cancelled', 'expired', 'failed', 'succeeded')) = (finished_at IS NOT NULL)"


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), comment="null: public, whoever knows the id may read it"),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_version", sa.Integer(), nullable=False, comment="the version in which the status began"),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("expired", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("poll_after", sa.Integer(), nullable=False, comment="seconds until asking again is worth it"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when this version was made; rises with it",
        ),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column(
            "expires_at",
            sa.DateTime(timezone=True),
            comment="the earlier of the provider's deadline and the job's own",
        ),
        sa.Column("results_expire_at", sa.DateTime(timezone=True)),
        sa.Column("deadline_at", sa.DateTime(timezone=True), comment="the job's own deadline"),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True)),
        sa.Column("upstream_id", sa.Text(), comment="the provider's name for the batch"),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when a monitor may claim it; while leased, the lease's end",
        ),
        sa.Column("lease_owner", sa.Text(), comment="the monitor that holds it"),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="looks in a row that came to nothing"),
        sa.Column(
            "observed_at",
            sa.DateTime(timezone=True),
            comment="when the provider last confirmed what is known",
        ),
        sa.CheckConstraint(
            ENDED,
            name=op.f("jobs_ended_check"),
        ),
        sa.CheckConstraint(
            STATUS,
            name=op.f("jobs_status_check"),
        ),
        sa.CheckConstraint("(error_code IS NULL) = (error_message IS NULL)", name=op.f("jobs_error_check")),
        sa.CheckConstraint("attempts >= 0 AND poll_after >= 1", name=op.f("jobs_pace_check")),
        sa.CheckConstraint("completed + failed + expired + cancelled <= total", name=op.f("jobs_sum_check")),
        sa.CheckConstraint(
            "finished_at IS NULL OR completed + failed + expired + cancelled = total",
            name=op.f("jobs_all_settled_check"),
        ),
        sa.CheckConstraint(
            "total >= 1 AND completed >= 0 AND failed >= 0 AND expired >= 0 AND cancelled >= 0",
            name=op.f("jobs_counts_check"),
        ),
        sa.CheckConstraint("version >= status_version AND status_version >= 1", name=op.f("jobs_versions_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("jobs_pkey")),
        postgresql_with={
            "fillfactor": 80,
            "autovacuum_vacuum_scale_factor": 0.01,
            "autovacuum_vacuum_threshold": 2000,
            "autovacuum_analyze_scale_factor": 0.02,
        },
    )
    op.create_index("jobs_due", "jobs", ["due_at"], unique=False, postgresql_where=sa.text("finished_at IS NULL"))
    op.create_table(
        "requests",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, comment="order of submission, from 0, without gaps"),
        sa.Column("custom_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, comment="JSON as it was sent"),
        sa.CheckConstraint("position >= 0", name=op.f("requests_position_check")),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("requests_pkey")),
        sa.UniqueConstraint("job_id", "custom_id", name=op.f("requests_job_id_custom_id_key")),
    )
    op.create_table(
        "results",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("response", sa.Text(), comment="JSON of status_code and body, as the provider sent it"),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.CheckConstraint(
            "outcome IN ('cancelled', 'completed', 'expired', 'failed')", name=op.f("results_outcome_check")
        ),
        sa.CheckConstraint("(error_code IS NULL) = (error_message IS NULL)", name=op.f("results_error_check")),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("results_pkey")),
    )
    op.create_table(
        "transitions",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_version", sa.Integer(), nullable=False),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("expired", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("poll_after", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, comment="when this version was made"),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("results_expire_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            ENDED,
            name=op.f("transitions_ended_check"),
        ),
        sa.CheckConstraint(
            STATUS,
            name=op.f("transitions_status_check"),
        ),
        sa.CheckConstraint(
            "completed >= 0 AND failed >= 0 AND expired >= 0 AND cancelled >= 0",
            name=op.f("transitions_counts_check"),
        ),
        sa.CheckConstraint(
            "version >= status_version AND status_version >= 1", name=op.f("transitions_versions_check")
        ),
        sa.PrimaryKeyConstraint("job_id", "version", name=op.f("transitions_pkey")),
    )


def downgrade() -> None:
    op.drop_table("transitions")
    op.drop_table("results")
    op.drop_table("requests")
    op.drop_table("jobs")
