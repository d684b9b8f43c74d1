"""What moves jobs: looks upstream by lease, tells what it saw, submits, and brings results home."""

from polling_api.monitor.batch_monitor import BatchMonitor

__all__ = ["BatchMonitor"]
