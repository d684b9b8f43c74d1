"""What limits count and look up: the unfinished jobs of an unsigned caller's address, and clients with own figures."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INDEXES = {
    "jobs_unfinished_of_submitter": ("jobs", "submitter", "submitter IS NOT NULL AND finished_at IS NULL"),
    "clients_with_limits": ("clients", "id", "limits IS NOT NULL"),
}


def upgrade() -> None:
    op.add_column(
        "jobs",
        sa.Column(
            "submitter",
            sa.Text,
            comment="the address of whoever submitted it unsigned; null: a client's, or not counted",
        ),
    )
    with op.get_context().autocommit_block():
        for name, (table, column, condition) in INDEXES.items():
            # A concurrent build that failed leaves an invalid index behind, which would keep the next from its name.
            op.drop_index(name, if_exists=True, postgresql_concurrently=True)
            op.create_index(name, table, [column], postgresql_where=sa.text(condition), postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.drop_index(name, if_exists=True, postgresql_concurrently=True)
    op.drop_column("jobs", "submitter")
