"""The beats by which replicas show how much of the primary they have."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replica_beats",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the last beat was made, by the clock of the primary it was made on",
        ),
        sa.Column(
            "recent",
            sa.ARRAY(sa.Text()),
            nullable=False,
            comment="the last beats, each a random number; the newest first",
        ),
        sa.CheckConstraint("id = 1", name=op.f("replica_beats_one_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("replica_beats_pkey")),
        postgresql_with={"fillfactor": 10},
    )


def downgrade() -> None:
    op.drop_table("replica_beats")
