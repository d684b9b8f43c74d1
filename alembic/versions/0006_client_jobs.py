"""What a client's list of jobs and the replay of all its jobs are read by, added while everybody goes on writing."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OWNED = sa.text("client_id IS NOT NULL")
INDEXES = {
    "jobs_of_client": ("jobs", ["client_id", sa.text("created_at DESC"), sa.text("id DESC")]),
    "jobs_of_client_by_status": ("jobs", ["client_id", "status", sa.text("created_at DESC"), sa.text("id DESC")]),
    "transitions_of_client": ("transitions", ["client_id", "xid", "job_id", "version"]),
}


def upgrade() -> None:
    # Added without a default, and given one for the rows to come: both are entries in the catalog alone. With a
    # default at once, all rows there are would claim to be of this migration's own transaction, and every replay of
    # the next minutes would hand them out.
    for statement in (
        "ALTER TABLE transitions ADD COLUMN client_id text, ADD COLUMN xid xid8",
        "ALTER TABLE transitions ALTER COLUMN xid SET DEFAULT pg_current_xact_id()",
        "COMMENT ON COLUMN transitions.client_id IS 'the owner of the job; null: public'",
        "COMMENT ON COLUMN transitions.xid IS 'the transaction that wrote it; null: from before it was noted'",
    ):
        op.execute(statement)
    with op.get_context().autocommit_block():
        for name, (table, columns) in INDEXES.items():
            # A concurrent build that failed leaves an invalid index behind, which would keep the next from its name.
            op.drop_index(name, if_exists=True, postgresql_concurrently=True)
            op.create_index(name, table, columns, postgresql_where=OWNED, postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.drop_index(name, if_exists=True, postgresql_concurrently=True)
    op.drop_column("transitions", "xid")
    op.drop_column("transitions", "client_id")
