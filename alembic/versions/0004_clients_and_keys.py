"""Clients, and the keys with which they sign."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("limits", sa.JSON(), comment="null: those of all clients"),
        sa.Column("api_version", sa.Text(), comment="the one that is pinned; null: the newest"),
        sa.PrimaryKeyConstraint("id", name=op.f("clients_pkey")),
    )
    op.create_index("clients_listed", "clients", ["created_at", "id"])
    op.create_table(
        "keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="as the vault sealed it"),
        sa.Column("made_by", sa.Text(), comment="the key that made it, with which it ends; null: the operator"),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("granted_until", TIME, comment="the end it was made with; null: none"),
        sa.Column("expires_at", TIME, comment="its end: sooner than granted where another key took its place"),
        sa.Column("revoked_at", TIME),
        sa.Column("last_used_at", TIME, comment="true to the minute"),
        sa.CheckConstraint(
            "granted_until IS NULL OR expires_at IS NOT NULL AND expires_at <= granted_until",
            name=op.f("keys_granted_check"),
        ),
        sa.ForeignKeyConstraint(["client_id"], ["clients.id"], name=op.f("keys_client_id_fkey")),
        sa.ForeignKeyConstraint(["made_by"], ["keys.id"], name=op.f("keys_made_by_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("keys_pkey")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("keys_of_client", "keys", ["client_id", "created_at", "id"])
    op.create_index("keys_made_by", "keys", ["made_by"], postgresql_where=sa.text("made_by IS NOT NULL"))
    op.create_index("keys_expiring", "keys", ["expires_at"], postgresql_where=sa.text("expires_at IS NOT NULL"))
    op.create_index("keys_revoked", "keys", ["revoked_at"], postgresql_where=sa.text("revoked_at IS NOT NULL"))


def downgrade() -> None:
    op.drop_table("keys")
    op.drop_table("clients")
