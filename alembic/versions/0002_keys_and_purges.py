"""Idempotency keys, what is to be deleted, and what a provider told that fits no item."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KIND = "kind IN ('contradiction', 'overlong', 'unknown_item', 'unreadable')"


def upgrade() -> None:
    op.add_column(
        "jobs",
        sa.Column(
            "results_purged_at",
            sa.DateTime(timezone=True),
            comment="when its requests and results were given up to be deleted",
        ),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.Text(), nullable=False, comment="whose key it is; empty: of those who only know the key"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False, comment="tells what was sent from anything else"),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("idempotency_keys_pkey")),
    )
    op.create_index("idempotency_keys_expiring", "idempotency_keys", ["expires_at"])
    op.create_index("idempotency_keys_of_job", "idempotency_keys", ["job_id"])
    op.create_table(
        "purges",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("purges_pkey")),
    )
    op.create_index("purges_queued", "purges", ["queued_at"])
    op.create_table(
        "strays",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column(
            "number",
            sa.BigInteger(),
            nullable=False,
            comment="its place in all that was told of the job, from 0",
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("custom_id", sa.Text()),
        sa.Column("line", sa.Text(), nullable=False, comment="the beginning of what was told"),
        sa.CheckConstraint(KIND, name=op.f("strays_kind_check")),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("strays_pkey")),
    )


def downgrade() -> None:
    op.drop_table("strays")
    op.drop_table("purges")
    op.drop_table("idempotency_keys")
    op.drop_column("jobs", "results_purged_at")
