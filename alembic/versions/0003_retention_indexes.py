"""Indexes by which retention finds what is over, built without keeping anybody from writing jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEXES = {
    "jobs_results_expiring": ("results_expire_at", "results_expire_at IS NOT NULL AND results_purged_at IS NULL"),
    "jobs_finished": ("finished_at", "finished_at IS NOT NULL"),
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, (column, condition) in INDEXES.items():
            # A concurrent build that failed leaves an invalid index behind, which would keep the next from its name.
            op.drop_index(name, if_exists=True, postgresql_concurrently=True)
            op.create_index(name, "jobs", [column], postgresql_where=sa.text(condition), postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.drop_index(name, if_exists=True, postgresql_concurrently=True)
