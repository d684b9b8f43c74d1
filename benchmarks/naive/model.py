"""A job, as the naive service keeps it: a row with what clients see."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, DateTime
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables."""


class Job(Base):
    """One job."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    version: Mapped[int]
    progress: Mapped[dict[str, Any]] = mapped_column(JSON)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    provider: Mapped[str]
    endpoint: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    results_expire_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def terminal(self) -> bool:
        """Whether it never changes again."""
        return self.finished_at is not None

    @property
    def links(self) -> dict[str, str]:
        """Where more of it is."""
        here = f"/api/v1/jobs/{self.id}"
        return {"self": here, **{name: f"{here}/{name}" for name in ("events", "results", "cancel")}}
