"""What the provider's events name: the unfinished job of a batch."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEX = "jobs_unfinished_of_batch"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # A concurrent build that failed leaves an invalid index behind, which would keep the next from its name.
        op.drop_index(INDEX, if_exists=True, postgresql_concurrently=True)
        op.create_index(
            INDEX,
            "jobs",
            ["upstream_id"],
            postgresql_where=sa.text("upstream_id IS NOT NULL AND finished_at IS NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(INDEX, if_exists=True, postgresql_concurrently=True)
