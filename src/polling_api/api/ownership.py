"""Who may see which job: the one place that decides it."""

from polling_api.representation import Snapshot


def visible(snapshot: Snapshot | None) -> Snapshot | None:
    """The snapshot if the simple set may show it: jobs that belong to nobody; None looks like a missing job."""
    return snapshot if snapshot and snapshot.job.client_id is None else None
