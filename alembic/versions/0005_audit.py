"""The audit log, in a partition for each month."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Of yesterday, to which a late row may belong, and of the next three months; from then on the monitor makes them.
FIRST_PARTITIONS = """
DO $$
DECLARE
    month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC' - interval '1 day');
    last timestamp := date_trunc('month', now() AT TIME ZONE 'UTC' + interval '3 months');
BEGIN
    WHILE month <= last LOOP
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF audit FOR VALUES FROM (%L) TO (%L)',
            to_char(month, '"audit_"YYYY_MM'),
            month AT TIME ZONE 'UTC',
            (month + interval '1 month') AT TIME ZONE 'UTC'
        );
        month := month + interval '1 month';
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when it was recorded; of refusals, when their minute began",
        ),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), comment="whose job, key or token it was about"),
        sa.Column("actor", sa.Text(), nullable=False, comment="who did it"),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text()),
        sa.Column("address", sa.Text(), comment="where it came from; null: from several"),
        sa.Column("outcome", sa.Text(), nullable=False, comment="`allowed`, or the code of the problem that was told"),
        sa.Column(
            "count", sa.Integer(), nullable=False, comment="how many times in its minute; 1 for all but refusals"
        ),
        sa.Column("correlation_id", sa.Text(), comment="the caller's"),
        sa.Column("request_id", sa.Text(), comment="ours"),
        sa.PrimaryKeyConstraint("at", "id", name=op.f("audit_pkey")),
        sa.CheckConstraint("count >= 1", name=op.f("audit_count_check")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index(
        "audit_of_client", "audit", ["client_id", "at", "id"], postgresql_where=sa.text("client_id IS NOT NULL")
    )
    op.execute(FIRST_PARTITIONS)


def downgrade() -> None:
    op.drop_table("audit")
